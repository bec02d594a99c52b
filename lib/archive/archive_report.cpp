#include "kvs/archive_report.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {
namespace {

void verify_tokens(const PromptRecord& prompt, int64_t position, const PromptSpan& span,
                   const std::vector<int32_t>& rows) {
  const auto of_rows = rows.begin() + span.first;
  if (std::equal(of_rows, of_rows + span.count, prompt.tokens.begin() + position)) return;
  fail(ErrorKind::format, "prompt '{}': the exact span at token {} has other tokens than kv {}",
       printable(prompt.id), position, to_hex(*span.kv));
}

std::string join(const std::set<std::string_view>& names) {
  std::string joined;
  for (const std::string_view name : names) {
    if (!joined.empty()) joined += ',';
    joined += name;
  }
  return joined;
}

}  // namespace

std::optional<PromptLine> ArchiveReport::add(const ArchiveItem& item) {
  if (const auto* header = std::get_if<ArchiveHeader>(&item.record)) {
    members_.push_back({.header = *header});
    kv_.clear();
  } else if (const auto* kv = std::get_if<KvRecord>(&item.record)) {
    MemberLine& member = members_.back();
    ++member.kv;
    member.rows += std::ssize(kv->tokens);
    member.kv_bytes += item.bytes;
    kv_[kv->id] = {.tokens = kv->tokens, .bytes = item.bytes, .codec = kv->codec};
  } else if (const auto* prompt = std::get_if<PromptRecord>(&item.record)) {
    ++members_.back().prompts;
    return describe(*prompt);
  } else {
    members_.back().table = std::get<ArchiveEnd>(item.record).table;
    members_.back().complete = true;
  }
  return std::nullopt;
}

PromptLine ArchiveReport::describe(const PromptRecord& record) const {
  PromptLine line{.member = members_.size() - 1,
                  .id = record.id,
                  .tenant = record.tenant,
                  .visibility = record.visibility,
                  .tokens = std::ssize(record.tokens),
                  .spans = std::ssize(record.spans),
                  .embedder = record.embedder};
  std::set<Hash128> counted;
  std::set<std::string_view> codecs;
  int64_t position = 0;
  for (const PromptSpan& span : record.spans) {
    if (span.kv) {
      const Kv& kv = kv_.at(*span.kv);
      if (span.exact) verify_tokens(record, position, span, kv.tokens);
      (span.exact ? line.exact : line.approximate) += span.count;
      codecs.insert(codec_name(kv.codec));
      if (counted.insert(*span.kv).second) line.kv_bytes += kv.bytes;
    }
    position += span.count;
  }
  line.holes = line.tokens - line.exact - line.approximate;
  line.codecs = join(codecs);
  return line;
}

}  // namespace kvs
