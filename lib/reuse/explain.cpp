#include "kvs/explain.h"

#include <algorithm>

#include "kvs/cover.h"
#include "kvs/selector.h"

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

// Appends rows, joining them to the last span where they go on without a seam.
void append(std::vector<ExplainedSpan>& spans, const ExplainedSpan& next) {
  if (!spans.empty()) {
    ExplainedSpan& last = spans.back();
    const bool goes_on = last.donor < 0 || last.donor_first + last.count == next.donor_first;
    if (last.reason == next.reason && last.donor == next.donor && goes_on) {
      last.count += next.count;
      return;
    }
  }
  spans.push_back(next);
}

// A prompt's rows, and what may become of them.
class Explainer {
 public:
  Explainer(std::span<const int32_t> target, std::span<const std::span<const int32_t>> donors,
            std::span<const EditOp> sources, int64_t min_span)
      : sources_(sources),
        runs_(run_lengths(target, donors)),
        source_of_(target.size(), -1),
        last_(static_cast<int64_t>(target.size()) - 1),
        min_span_(min_span) {
    for (size_t at = 0; at < sources.size(); ++at)
      std::fill_n(source_of_.begin() + sources[at].target_first, sources[at].count,
                  static_cast<int32_t>(at));
  }

  // Rows that the plan computes for want of a source, or since the policy takes none.
  void append_computed(std::vector<ExplainedSpan>& spans, const PlanSpan& span) const {
    for (int64_t at = span.first; at < span.first + span.count; ++at) {
      ExplainedSpan row{.first = at, .count = 1};
      if (source_of_[at] < 0) {
        row.reason = reason_without_source(runs_[at], min_span_);
      } else {
        const EditOp& op = sources_[source_of_[at]];
        row.reason = at == last_ ? RowReason::last_token : RowReason::policy;
        row.donor = op.source;
        row.donor_first = op.donor_first + at - op.target_first;
      }
      append(spans, row);
    }
  }

  // Rows with a source that the plan takes.
  void append_sourced(std::vector<ExplainedSpan>& spans, const PlanSpan& span) const {
    const EditOp& op = sources_[span.donor];
    spans.push_back({.reason = reason_of(span, op),
                     .first = span.first,
                     .count = span.count,
                     .donor = op.source,
                     .donor_first = op.donor_first + span.donor_first});
  }

 private:
  RowReason reason_of(const PlanSpan& span, const EditOp& op) const {
    if (span.kind == Kind::exact) return RowReason::prefix;
    if (span.kind == Kind::fuzzy) return RowReason::fuzzy;
    if (span.kind == Kind::shifted)
      return op.shift() == 0 ? RowReason::in_place : RowReason::shifted;
    return span.first == last_ ? RowReason::last_token : RowReason::policy;
  }

  std::span<const EditOp> sources_;
  std::vector<int64_t> runs_;
  std::vector<int32_t> source_of_;  // per position, its op; -1: none
  int64_t last_;
  int64_t min_span_;
};

}  // namespace

std::string_view row_reason_name(RowReason reason) {
  constexpr std::string_view kNames[] = {
      "prefix",     "in_place",  "shifted",        "fuzzy",        "policy",
      "last_token", "no_source", "below_min_span", "unprofitable", "too_short"};
  return kNames[static_cast<size_t>(reason)];
}

ExplainedPlan explain_script(std::span<const int32_t> target,
                             std::span<const std::span<const int32_t>> donors,
                             const EditScript& script, const ReuseOptions& options) {
  std::vector<EditOp> sources;
  std::copy_if(script.ops.begin(), script.ops.end(), std::back_inserter(sources),
               [](const EditOp& op) { return op.reuses(); });
  const ReusePlan plan = plan_reuse(target, pieces_of(donors, sources), options);
  if (plan.reason == ReuseReason::too_short)
    return {{{.reason = RowReason::too_short, .count = static_cast<int64_t>(target.size())}}};

  ExplainedPlan explained;
  const Explainer explainer(target, donors, sources, options.least_span());
  for (const PlanSpan& span : plan.spans)
    span.kind == Kind::computed ? explainer.append_computed(explained.spans, span)
                                : explainer.append_sourced(explained.spans, span);
  ReuseOptions with_budget = options;
  with_budget.budget = plan.budget;
  explained.measured =
      make_selector(options.policy)->measured_rows({target, plan.spans, with_budget});
  return explained;
}

}  // namespace kvs
