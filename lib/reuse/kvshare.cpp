#include <algorithm>
#include <limits>

#include "kvs/guard.h"
#include "reuse/choice.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

// Measured on every so many-th layer: the others tell much the same.
constexpr int kLayerStep = 8;

// How far off a row is expected to be falls with its distance from the seam in front of it: to half
// in so many rows, and towards a rest.
constexpr double kHalfway = 32, kRest = 0.1;

/// This project's rule. The first rows of a budget go to where others are known to be off, by
/// structure: a halo at the start of each span that stands behind an edit, or in another place than
/// it did (its first tokens were attention sinks there), all of them from their edges inwards, in
/// step; then the prompt's end, which asks about the rest. What is left of it goes to windows of
/// the rows that are attended to most, as `probe` finds them, times how far off they are expected
/// to be; behind them only the rows that ask are computed again. Sources: Hu et al. 2025 (EPIC) for
/// the sinks, ProphetKV for the probe; the numbers were measured (kvs-policies(7)).
class KvshareSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext& context) const override {
    std::vector<Candidate> candidates = structural(context);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const Candidate& a, const Candidate& b) { return a.rank < b.rank; });
    const double budget = std::min(context.options.structure, budget_of(context));
    const int64_t share = rows_of(budget, context);
    std::vector<int64_t> positions;
    for (const Candidate& candidate : candidates)
      if (std::ssize(positions) < share) positions.push_back(candidate.position);
    std::sort(positions.begin(), positions.end());
    return positions;
  }

  bool measures(const SelectionContext& context) const override {
    return context.options.guard || context.options.evidence || measured_rows(context) > 0;
  }

  int64_t measured_rows(const SelectionContext& context) const override {
    return rows_to_measure(context, budget_of(context));
  }

  std::vector<int64_t> select_measured(const SelectionContext& context,
                                       PromptModel& model) const override {
    const std::vector<int64_t> kept = kept_positions(context.spans);
    const std::vector<float> mass =
        model.probe(query_positions(context.spans, kQueryRows), kLayerStep);
    const Guard* guard = context.options.guard;
    const double budget = guard ? guard->budget_behind(model.evidence()) : budget_of(context);
    const int64_t count = rows_to_measure(context, budget);
    if (count == 0) return {};
    return highest_windows(kept, scores(context.spans, mass), context.options.window, count);
  }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

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
    if (context.spans.empty()) return {};
    const int64_t end = context.spans.back().first + context.spans.back().count;
    std::vector<Candidate> candidates;
    const PlanSpan* before = nullptr;
    for (const PlanSpan& span : context.spans) {
      const int64_t edge = edge_of(span, before, options);
      for (int64_t row = 0; span.kept() && row < span.count; ++row) {
        const int64_t from_end = end - 1 - (span.first + row);
        int64_t rank = from_end < options.last ? options.halo + from_end : kNever;
        if (row < edge) rank = row;
        if (rank < kNever) candidates.push_back({.rank = rank, .position = span.first + row});
      }
      before = &span;
    }
    return candidates;
  }

  // Of the kept rows, in order.
  static std::vector<double> scores(std::span<const PlanSpan> spans, std::span<const float> mass) {
    std::vector<double> scores;
    int64_t seam = 0;
    const PlanSpan* before = nullptr;
    for (const PlanSpan& span : spans) {
      if (!before || !before->goes_on_in(span)) seam = span.first;
      for (int64_t row = span.first; span.kept() && row < span.first + span.count; ++row)
        scores.push_back(mass[row] *
                         (kRest + kHalfway / (kHalfway + static_cast<double>(row - seam))));
      before = &span;
    }
    return scores;
  }

  // Rows at a span's start that what stands in front of it, or another place, put off.
  static int64_t edge_of(const PlanSpan& span, const PlanSpan* before,
                         const ReuseOptions& options) {
    const bool edit = !before || !before->shared() || before->kind == PlanSpan::Kind::fuzzy;
    return edit || span.first != span.donor_first ? options.halo : 0;
  }

  // What the budget leaves behind structure; a second pass for what structure did not need would
  // not pay.
  static int64_t rows_to_measure(const SelectionContext& context, double budget) {
    if (budget < 1 && budget <= context.options.structure) return 0;
    const auto left = static_cast<int64_t>(kept_positions(context.spans).size());
    return std::max<int64_t>(0, rows_of(budget, context) - (kept_or_recomputed(context) - left));
  }

  // At least a halo and the prompt's end: fewer would hardly save time, and are too few for a short
  // prompt.
  static int64_t rows_of(double share, const SelectionContext& context) {
    if (share == 0) return 0;
    const int64_t fewest = context.options.halo + context.options.last;
    const int64_t count = kept_or_recomputed(context);
    return std::min(std::max(share_of(share, count), fewest), count);
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
