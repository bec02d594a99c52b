#include "tools/align_donors.h"

#include <algorithm>
#include <utility>

#include "kvs/align.h"
#include "kvs/cover.h"

namespace kvs {
namespace {

// Moves the donors that a span comes from in front of the others, and renumbers the spans.
void drop_unused(std::vector<SourceSpan>& spans, AlignedPrompt& prompt) {
  std::vector<int32_t> number(prompt.donors.size(), -1);
  for (const SourceSpan& span : spans) number[span.source] = 0;
  std::vector<AlignDonor> used;
  for (size_t donor = 0; donor < prompt.donors.size(); ++donor) {
    if (number[donor] == 0) number[donor] = static_cast<int32_t>(used.size());
    auto& kept = number[donor] >= 0 ? used : prompt.unused;
    kept.push_back(std::move(prompt.donors[donor]));
  }
  for (SourceSpan& span : spans) span.source = number[span.source];
  prompt.donors = std::move(used);
}

// Whether the one donor's tokens are all accounted for.
bool by_align(std::span<const AlignDonor> donors, const AlignRules& rules) {
  return rules.whole && donors.size() == 1;
}

std::vector<SourceSpan> find_spans(std::span<const int32_t> target,
                                   std::span<const AlignDonor> donors, const AlignRules& rules) {
  if (!by_align(donors, rules))
    return cover(target, tokens_of(donors), {.min_span = rules.min_span});
  std::vector<SourceSpan> spans;
  for (const EditOp& op : align(target, donors[0].record.tokens, {.min_span = rules.min_span}).ops)
    if (op.reuses()) spans.push_back({op.target_first, op.count, op.source, op.donor_first});
  return spans;
}

}  // namespace

std::string shown_id(std::string id) {
  for (char& c : id)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return id;
}

std::vector<std::span<const int32_t>> tokens_of(std::span<const AlignDonor> donors) {
  std::vector<std::span<const int32_t>> tokens;
  for (const AlignDonor& donor : donors) tokens.emplace_back(donor.record.tokens);
  return tokens;
}

AlignedPrompt align_prompt(std::span<const int32_t> target, std::vector<AlignDonor> donors,
                           const AlignRules& rules) {
  AlignedPrompt prompt{.donors = std::move(donors), .unused = {}, .script = {}};
  std::vector<SourceSpan> spans = find_spans(target, prompt.donors, rules);
  if (rules.fuzzy > 0)
    spans = add_fuzzy(target, tokens_of(prompt.donors), spans, rules.cosines,
                      {.threshold = rules.fuzzy, .min_span = rules.min_span});
  if (!by_align(prompt.donors, rules)) drop_unused(spans, prompt);
  std::vector<int64_t> lengths;
  for (const AlignDonor& donor : prompt.donors) lengths.push_back(donor.name().length);
  prompt.script = make_script(target, lengths, spans);
  return prompt;
}

}  // namespace kvs
