#include "kvs/edited_archive.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kvs/error.h"

namespace kvs {
namespace {

void append_hole(std::vector<PromptSpan>& spans, int64_t count) {
  if (count == 0) return;
  if (spans.empty() || spans.back().kv) spans.emplace_back();
  spans.back().count += static_cast<int32_t>(count);
}

// Appends a donor's rows [first, first + count), moved by `shift`.
void append_rows(std::vector<PromptSpan>& spans, const PromptRecord& donor, const EditOp& op) {
  const int64_t end = op.donor_first + op.count;
  const bool prefix = op.kind == EditKind::keep && op.target_first == 0 && op.donor_first == 0;
  int64_t position = 0;  // at the donor, of the span
  for (const PromptSpan& span : donor.spans) {
    const int64_t from = std::max(position, op.donor_first);
    const int64_t to = std::min(position + span.count, end);
    if (from < to && !span.kv) append_hole(spans, to - from);
    if (from < to && span.kv)
      spans.push_back({.kv = span.kv,
                       .first = span.first + static_cast<int32_t>(from - position),
                       .count = static_cast<int32_t>(to - from),
                       .shift = span.shift + op.shift(),
                       .exact = span.exact && prefix});
    position += span.count;
  }
  append_hole(spans, end - std::clamp(position, op.donor_first, end));  // a donor without KV
}

void copy_records(ArchiveWriter& writer, std::span<const PromptSpan> spans,
                  const ArchivedDonor& donor) {
  for (const PromptSpan& span : spans)
    if (span.kv && !writer.has_kv(*span.kv))
      writer.add(donor.archive->read_kv(donor.member, *span.kv));
}

void expect_target(const PromptRecord& prompt, const EditScript& script,
                   std::span<const ArchivedDonor> donors) {
  std::vector<std::span<const int32_t>> tokens;
  for (const ArchivedDonor& donor : donors) tokens.emplace_back(donor.prompt->tokens);
  if (apply_script(script, tokens) != prompt.tokens)
    fail(ErrorKind::argument, "prompt '{}': the edit script makes other tokens", prompt.id);
}

}  // namespace

int64_t own_rows(std::string_view fingerprint, const PromptRecord& prompt) {
  const std::string_view salt = prompt.visibility == Visibility::everyone
                                    ? std::string_view()
                                    : std::string_view(prompt.tenant);
  const auto is_own = [&](const PromptSpan& span, std::span<const int32_t> tokens, Hash128 parent) {
    if (!span.kv || span.first != 0 || span.shift != 0) return false;
    KvContext context{.fingerprint = fingerprint, .tenant_salt = salt, .parent = parent};
    if (kv_record_id(context, tokens) == *span.kv) return true;
    context.exact = false;  // stored with losses
    return kv_record_id(context, tokens) == *span.kv;
  };
  int64_t rows = 0;
  Hash128 parent{};
  for (const PromptSpan& span : prompt.spans) {
    if (!is_own(span, std::span(prompt.tokens).subspan(rows, span.count), parent)) break;
    parent = *span.kv;
    rows += span.count;
  }
  return rows;
}

void archive_edited(ArchiveWriter& writer, PromptRecord prompt, const EditScript& script,
                    std::span<const ArchivedDonor> donors) {
  expect_target(prompt, script, donors);
  prompt.spans.clear();
  for (const EditOp& op : script.ops) {
    if (op.computes()) append_hole(prompt.spans, op.count);
    if (!op.reuses()) continue;
    const size_t before = prompt.spans.size();
    append_rows(prompt.spans, *donors[op.source].prompt, op);
    copy_records(writer, std::span(prompt.spans).subspan(before), donors[op.source]);
  }
  writer.add(prompt);
}

}  // namespace kvs
