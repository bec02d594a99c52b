#include <algorithm>
#include <limits>

#include "kvs/guard.h"
#include "reuse/choice.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

// Measured on every so many-th layer: the others tell much the same.
constexpr int kLayerStep = 8;

// In halos, the length of a run below which its seams cost more than it saves.
constexpr double kShortestRun = 1.5;

/// This project's rule. Always computed are fragments: runs of kept rows hardly longer than a halo.
/// A budget goes first to where rows are known to be off, by structure: a halo right of each edit
/// and the first tokens of each span that moved (attention sinks where they come from), all of them
/// from their edges inwards, in step; then the prompt's end, which asks about the rest. What is
/// left of it goes to windows, as `probe` finds them; behind them only the rows that ask are
/// computed again.
/// Sources: Hu et al. 2025 (EPIC) for the sinks, ProphetKV for the probe; the numbers were measured
/// (kvs-policies(7)).
class KvshareSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext& context) const override {
    std::vector<Candidate> candidates = structural(context);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
    const double budget = context.options.first_budget.value_or(budget_of(context));
    const int64_t share = share_of(budget, kept_or_recomputed(context));
    std::vector<int64_t> positions;
    for (const Candidate& candidate : candidates)
      if (candidate.rank == kAlways || static_cast<int64_t>(positions.size()) < share)
        positions.push_back(candidate.position);
    std::sort(positions.begin(), positions.end());
    return positions;
  }

  bool measures() const override { return true; }

  int64_t measured_rows(const SelectionContext& context) const override {
    return rows_to_measure(context, budget_of(context));
  }

  std::vector<int64_t> select_measured(const SelectionContext& context,
                                       PromptModel& model) const override {
    const std::vector<int64_t> kept = kept_positions(context.spans);
    const std::vector<float> mass =
        model.probe(query_positions(context.spans, kQueryRows), kLayerStep);
    std::optional<double> budget = budget_of(context);
    if (const Guard* guard = context.options.guard)
      budget = guard->budget_behind(model.evidence(), *budget);
    if (!budget) return kept;
    const int64_t count = rows_to_measure(context, *budget);
    if (count == 0) return {};
    return highest_windows(kept, values_at(mass, kept), context.options.window, count);
  }

 private:
  static constexpr int64_t kAlways = -1, kNever = std::numeric_limits<int64_t>::max();

  // A kept row, and how soon its turn comes.
  struct Candidate {
    int64_t rank, position;
  };

  static double budget_of(const SelectionContext& context) {
    return context.options.budget.value_or(ReuseOptions::kDefaultBudget);
  }

  // In order of position.
  static std::vector<Candidate> structural(const SelectionContext& context) {
    const ReuseOptions& options = context.options;
    const int64_t edges = std::max(options.halo, options.sinks);
    if (context.spans.empty()) return {};
    const int64_t end = context.spans.back().first + context.spans.back().count;
    std::vector<Candidate> candidates;
    const PlanSpan* before = nullptr;
    for (const PlanSpan& span : context.spans) {
      const int64_t edge = edge_of(span, before, options);
      const bool fragment = static_cast<double>(run_around(context.spans, span)) <
                            kShortestRun * static_cast<double>(options.halo);
      for (int64_t row = 0; span.kept() && row < span.count; ++row) {
        const int64_t from_end = end - 1 - (span.first + row);
        int64_t rank = from_end < options.last ? edges + from_end : kNever;
        if (row < edge) rank = row;
        if (fragment) rank = kAlways;
        if (rank < kNever) candidates.push_back({.rank = rank, .position = span.first + row});
      }
      before = &span;
    }
    return candidates;
  }

  // Shared rows on both sides of a span, itself included, that go on in its donor without a seam.
  static int64_t run_around(std::span<const PlanSpan> spans, const PlanSpan& span) {
    const auto joined = [](const PlanSpan& a, const PlanSpan& b) {
      return a.shared() && b.shared() && a.donor == b.donor &&
             a.donor_first + a.count == b.donor_first;
    };
    const PlanSpan *first = &span, *last = &span;
    while (first != &spans.front() && joined(*(first - 1), *first)) --first;
    while (last != &spans.back() && joined(*last, *(last + 1))) ++last;
    return last->first + last->count - first->first;
  }

  // Rows at a span's start that what stands in front of it, or another place, put off.
  static int64_t edge_of(const PlanSpan& span, const PlanSpan* before,
                         const ReuseOptions& options) {
    const bool edit = !before || !before->shared() || before->kind == PlanSpan::Kind::fuzzy;
    return std::max(edit ? options.halo : 0, span.first == span.donor_first ? 0 : options.sinks);
  }

  // What the budget leaves behind structure.
  static int64_t rows_to_measure(const SelectionContext& context, double budget) {
    const auto left = static_cast<int64_t>(kept_positions(context.spans).size());
    const int64_t with_source = kept_or_recomputed(context);
    return std::max<int64_t>(0, share_of(budget, with_source) - (with_source - left));
  }

  static int64_t kept_or_recomputed(const SelectionContext& context) {
    int64_t rows = 0;
    for (const PlanSpan& span : context.spans)
      if (span.kept() || span.kind == PlanSpan::Kind::recomputed) rows += span.count;
    return rows;
  }
};

}  // namespace

std::unique_ptr<Selector> make_kvshare() {
  return std::make_unique<KvshareSelector>();
}

}  // namespace kvs
