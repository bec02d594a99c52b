#include "kvs/explain.h"

#include <algorithm>

#include "kvs/cover.h"

namespace kvs {
namespace {

using Kind = PlanSpan::Kind;

// The script's sources as pieces of an edited prompt, so that the plan is what a server would do.
std::vector<ReuseDonor> pieces_of(std::span<const std::span<const int32_t>> donors,
                                  std::span<const EditOp> sources) {
  std::vector<ReuseDonor> pieces;
  for (const EditOp& op : sources) {
    const bool prefix = op.target_first == 0 && op.donor_first == 0;
    pieces.push_back({.id = {},
                      .tokens = donors[op.source].subspan(op.donor_first, op.count),
                      .exact_rows = prefix ? op.count : 0,
                      .only_at = op.target_first});
  }
  return pieces;
}

// How long the run is in which a donor has each position of the target; 0: none has it.
std::vector<int64_t> run_lengths(std::span<const int32_t> target,
                                 std::span<const std::span<const int32_t>> donors) {
  std::vector<int64_t> lengths(target.size());
  const CoverOptions any{.min_span = 1, .span_cost = 1, .donor_cost = 0};
  for (const SourceSpan& span : cover(target, donors, any))
    std::fill_n(lengths.begin() + span.target_first, span.count, span.count);
  return lengths;
}

RowReason reason_without_source(int64_t run, int64_t min_span) {
  if (run == 0) return RowReason::no_source;
  return run < min_span ? RowReason::below_min_span : RowReason::unprofitable;
}

// A hole, split where the reason changes.
void append_hole(std::vector<ExplainedSpan>& spans, const PlanSpan& hole,
                 std::span<const int64_t> runs, int64_t min_span) {
  const size_t before = spans.size();
  for (int64_t at = hole.first; at < hole.first + hole.count; ++at) {
    const RowReason reason = reason_without_source(runs[at], min_span);
    if (spans.size() == before || spans.back().reason != reason)
      spans.push_back({.reason = reason, .first = at});
    ++spans.back().count;
  }
}

RowReason reason_of(const PlanSpan& span, const EditOp& op, int64_t target_tokens) {
  if (span.kind == Kind::exact) return RowReason::prefix;
  if (span.kind == Kind::fuzzy) return RowReason::fuzzy;
  if (span.kind == Kind::shifted) return op.shift() == 0 ? RowReason::in_place : RowReason::shifted;
  return span.first == target_tokens - 1 ? RowReason::last_token : RowReason::policy;
}

}  // namespace

std::string_view row_reason_name(RowReason reason) {
  constexpr std::string_view kNames[] = {
      "prefix",     "in_place",  "shifted",        "fuzzy",        "policy",
      "last_token", "no_source", "below_min_span", "unprofitable", "too_short"};
  return kNames[static_cast<size_t>(reason)];
}

std::vector<ExplainedSpan> explain_script(std::span<const int32_t> target,
                                          std::span<const std::span<const int32_t>> donors,
                                          const EditScript& script, const ReuseOptions& options) {
  std::vector<EditOp> sources;
  std::copy_if(script.ops.begin(), script.ops.end(), std::back_inserter(sources),
               [](const EditOp& op) { return op.reuses(); });
  const ReusePlan plan = plan_reuse(target, pieces_of(donors, sources), options);
  const std::vector<int64_t> runs = run_lengths(target, donors);

  std::vector<ExplainedSpan> spans;
  if (plan.reason == ReuseReason::too_short)
    return {{.reason = RowReason::too_short, .count = static_cast<int64_t>(target.size())}};
  for (const PlanSpan& span : plan.spans) {
    if (span.kind == Kind::computed) {
      append_hole(spans, span, runs, options.min_span);
      continue;
    }
    const EditOp& op = sources[span.donor];
    spans.push_back({.reason = reason_of(span, op, static_cast<int64_t>(target.size())),
                     .first = span.first,
                     .count = span.count,
                     .donor = op.source,
                     .donor_first = op.donor_first + span.donor_first});
  }
  return spans;
}

}  // namespace kvs
