#include "tools/align_explain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace kvs {
namespace {

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.begin() + std::min(a.size(), b.size()), b.begin()).first -
         a.begin();
}

std::vector<std::string_view> found_by(const AlignDonor& donor, int64_t prefix) {
  std::vector<std::string_view> ways;
  if (prefix > 0) ways.emplace_back("prefix");
  if (donor.found.found_by != FoundBy::embedding) ways.emplace_back("fingerprints");
  if (donor.found.found_by != FoundBy::fingerprints) ways.emplace_back("embedding");
  return ways;
}

int64_t tokens_from(const EditScript& script, size_t donor) {
  int64_t tokens = 0;
  for (const EditOp& op : script.ops)
    if (op.reuses() && static_cast<size_t>(op.source) == donor) tokens += op.count;
  return tokens;
}

// What a donor brings, or why it brings nothing.
std::string_view donor_reason(const AlignDonor& donor, int64_t used) {
  if (used > 0) return "";
  return donor.found.matched == 0 ? "nothing_in_common" : "others_have_it";
}

std::string_view in_words(std::string_view donor_reason) {
  return donor_reason == "nothing_in_common"
             ? "no span of the least length is in common"
             : "what it has, other donors have, or it is too little";
}

std::string_view in_words(RowReason reason) {
  switch (reason) {
    case RowReason::prefix:
      return "both begin alike: lossless";
    case RowReason::in_place:
      return "in place, behind other tokens";
    case RowReason::shifted:
      return "from another position";
    case RowReason::fuzzy:
      return "the rows of other tokens, whose embeddings are alike";
    case RowReason::policy:
      return "a donor has them, the policy computes them all the same";
    case RowReason::last_token:
      return "the last token, whose logits are needed";
    case RowReason::no_source:
      return "no donor has them";
    case RowReason::below_min_span:
      return "a donor has them, in runs shorter than --min-span";
    case RowReason::unprofitable:
      return "a donor has them, but a further span or donor costs more than it brings";
    case RowReason::too_short:
      return "the prompt is too short to reuse anything";
  }
  return "";
}

std::string_view action_of(const ExplainedSpan& span) {
  return span.reused() ? "reuse" : "compute";
}

Json donor_json(const AlignDonor& donor, std::span<const int32_t> target, int64_t used) {
  const int64_t prefix = common_prefix(target, donor.record.tokens);
  Json::Array ways;
  for (const std::string_view way : found_by(donor, prefix)) ways.emplace_back(way);
  Json json = Json::Object{{"id", donor.record.id},
                           {"found_by", std::move(ways)},
                           {"similarity", donor.found.similarity},
                           {"matched", donor.found.matched},
                           {"prefix", prefix},
                           {"used", used}};
  if (used == 0) json.set("why", donor_reason(donor, used));
  return json;
}

Json span_json(const ExplainedSpan& span) {
  Json json = Json::Object{{"target", span.first},
                           {"count", span.count},
                           {"action", action_of(span)},
                           {"reason", row_reason_name(span.reason)}};
  if (span.donor >= 0) {
    json.set("source", span.donor);
    json.set("donor", span.donor_first);
    json.set("shift", span.first - span.donor_first);
  }
  return json;
}

std::string donor_text(const AlignDonor& donor, std::span<const int32_t> target, int64_t used,
                       std::string_view name) {
  const int64_t prefix = common_prefix(target, donor.record.tokens);
  std::string text = fmt::format(
      "{}: found by {}; similarity {:.3f}, about {} tokens matched, {} at the beginning; ", name,
      fmt::join(found_by(donor, prefix), " and "), donor.found.similarity, donor.found.matched,
      prefix);
  return text + (used > 0 ? fmt::format("{} tokens used\n", used)
                          : fmt::format("not used: {}\n", in_words(donor_reason(donor, used))));
}

std::string span_text(const ExplainedSpan& span, const Palette& palette) {
  const std::string_view colour = span.reused() ? palette.blue : palette.green;
  std::string text = fmt::format("{}{:>7} {:<7} {:>6}{}  ", colour, span.first, action_of(span),
                                 span.count, palette.reset);
  if (span.donor >= 0)
    text += fmt::format("donor {} at {} (shift {:+}): ", span.donor + 1, span.donor_first,
                        span.first - span.donor_first);
  return text + std::string(in_words(span.reason)) + '\n';
}

}  // namespace

Explanation explain_prompt(std::span<const int32_t> target, const AlignedPrompt& prompt,
                           const ReuseOptions& options) {
  std::vector<std::span<const int32_t>> donors = tokens_of(prompt.donors);
  for (const auto& unused : tokens_of(prompt.unused)) donors.push_back(unused);
  return {target, prompt, explain_script(target, donors, prompt.script, options)};
}

Json to_json(const Explanation& explanation) {
  Json::Array donors;
  for (size_t donor = 0; donor < explanation.prompt.donors.size(); ++donor)
    donors.push_back(donor_json(explanation.prompt.donors[donor], explanation.target,
                                tokens_from(explanation.prompt.script, donor)));
  for (const AlignDonor& unused : explanation.prompt.unused)
    donors.push_back(donor_json(unused, explanation.target, 0));
  Json::Array spans;
  for (const ExplainedSpan& span : explanation.plan.spans) spans.push_back(span_json(span));
  return Json::Object{{"donors", std::move(donors)},
                      {"spans", std::move(spans)},
                      {"measured", explanation.plan.measured}};
}

std::string to_text(const Explanation& explanation, const Palette& palette) {
  std::string text;
  for (size_t donor = 0; donor < explanation.prompt.donors.size(); ++donor)
    text += donor_text(explanation.prompt.donors[donor], explanation.target,
                       tokens_from(explanation.prompt.script, donor),
                       fmt::format("donor {}", donor + 1));
  for (const AlignDonor& unused : explanation.prompt.unused)
    text += donor_text(unused, explanation.target, 0, shown_id(unused.record.id));
  text += fmt::format("{}     at            tokens{}\n", palette.faint, palette.reset);
  for (const ExplainedSpan& span : explanation.plan.spans) text += span_text(span, palette);
  if (explanation.plan.measured > 0)
    text += fmt::format(
        "of these reused tokens, the lossless prefix excepted, {} are computed all "
        "the same: the policy measures which\n",
        explanation.plan.measured);
  return text;
}

}  // namespace kvs
