#include <algorithm>
#include <set>

#include "kvs/guard.h"
#include "reuse/choice.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

// Measured on every so many-th layer: the others tell much the same.
constexpr int kLayerStep = 8;

// Where nothing is measured, halos get one more row for so many without a source.
constexpr int64_t kRowsPerWideRow = 8;

// A prompt of which less than one in so many rows has to be computed is left so.
constexpr int64_t kRowsPerComputed = 10;

/// This project's rule. The first rows of a budget go to where others are known to be off, by
/// structure: a halo at the start of each span that stands behind an edit, or in another place than
/// it did (its first tokens were attention sinks there), all of them from their edges inwards, in
/// step; then the prompt's end, which asks about the rest. What is left of it goes to windows of
/// the rows that are attended to most, as `probe` finds them, times how far off they are expected
/// to be; behind them only the rows that ask are computed again. Where nothing is left, the halos
/// grow at little more than the price of what is computed anyway. Sources: Hu et al. 2025 (EPIC)
/// for the sinks, ProphetKV for the probe; the numbers were measured (kvs-policies(7)).
class KvshareSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext& context) const override {
    const double budget = budget_of(context);
    const int64_t share = rows_of(std::min(context.options.structure, budget), context);
    std::vector<int64_t> positions = first_of(structural(context), share);
    if (budget > 0 && !leaves_windows(context, budget)) widen_halos(context, positions);
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
    return highest_windows(kept, scores(context, mass), context.options.window, count);
  }

 private:
  static double budget_of(const SelectionContext& context) {
    return context.options.budget.value_or(ReuseOptions::kDefaultBudget);
  }
  static bool leaves_windows(const SelectionContext& context, double budget) {
    return budget >= 1 || rows_of(budget, context) > rows_of(context.options.structure, context);
  }

  // The first `count` positions, ascending; those that come twice count once.
  static std::vector<int64_t> first_of(std::span<const int64_t> positions, int64_t count) {
    std::set<int64_t> first;
    for (const int64_t position : positions)
      if (std::ssize(first) < count) first.insert(position);
    return {first.begin(), first.end()};
  }

  // Adds rows of halos of `wide_halo` to those chosen.
  static void widen_halos(const SelectionContext& context, std::vector<int64_t>& chosen) {
    const int64_t count = std::ssize(chosen) + wide_rows(context.spans, std::ssize(chosen));
    const std::vector<int64_t> wide = halos(context, context.options.wide_halo);
    chosen.insert(chosen.end(), wide.begin(), wide.end());
    chosen = first_of(chosen, count);
  }

  // How many rows halos may grow by where `chosen` kept ones are computed.
  static int64_t wide_rows(std::span<const PlanSpan> spans, int64_t chosen) {
    const int64_t share = rows_without_source(spans) / kRowsPerWideRow;
    const int64_t room = room_of(spans) - chosen;
    return room >= 0 ? std::min(share, room) : share;
  }

  // The first `width` kept rows of every span with an edge, from their edges inwards, in step.
  static std::vector<int64_t> halos(const SelectionContext& context, int64_t width) {
    std::vector<PlanSpan> edges;
    const PlanSpan* before = nullptr;
    for (const PlanSpan& span : context.spans) {
      if (span.kept() && has_edge(span, before)) edges.push_back(span);
      before = &span;
    }
    int64_t longest = 0;
    for (const PlanSpan& span : edges) longest = std::max(longest, span.count);
    std::vector<int64_t> positions;
    for (int64_t row = 0; row < std::min(width, longest); ++row)
      for (const PlanSpan& span : edges)
        if (row < span.count) positions.push_back(span.first + row);
    return positions;
  }

  // Kept rows in the order of their turns: the last one, which is computed whatever is chosen;
  // halos; the prompt's end backwards. Some come twice.
  static std::vector<int64_t> structural(const SelectionContext& context) {
    std::vector<int64_t> turns = last_kept(context.spans, 1);
    const std::vector<int64_t> halo = halos(context, context.options.halo);
    turns.insert(turns.end(), halo.begin(), halo.end());
    const std::vector<int64_t> last = last_kept(context.spans, context.options.last);
    turns.insert(turns.end(), last.rbegin(), last.rend());
    return turns;
  }

  // Of the kept rows, in order.
  static std::vector<double> scores(const SelectionContext& context, std::span<const float> mass) {
    std::vector<double> scores = expected_deviation(context.spans);
    const std::vector<int64_t> kept = kept_positions(context.spans);
    for (size_t row = 0; row < kept.size(); ++row) scores[row] *= mass[kept[row]];
    return scores;
  }

  // Whether what stands in front of a span, or another place, put its first rows off.
  static bool has_edge(const PlanSpan& span, const PlanSpan* before) {
    const bool edit = !before || !before->shared() || before->kind == PlanSpan::Kind::fuzzy;
    return edit || span.first != span.donor_first;
  }

  // What the budget leaves behind structure; a second pass for what structure did not need would
  // not pay. Wide halos take nothing of it.
  static int64_t rows_to_measure(const SelectionContext& context, double budget) {
    if (!leaves_windows(context, budget)) return 0;
    const auto left = static_cast<int64_t>(kept_positions(context.spans).size());
    const int64_t structure =
        std::min(kept_or_recomputed(context) - left, rows_of(context.options.structure, context));
    return std::clamp<int64_t>(rows_of(budget, context) - structure, 0, left);
  }

  // A small share stands for the fewest: less would hardly save time, and be too few for a short
  // prompt.
  static int64_t rows_of(double share, const SelectionContext& context) {
    if (share == 0) return 0;
    const int64_t count = kept_or_recomputed(context), rows = share_of(share, count);
    const bool few = rows <= context.options.halo + context.options.last;
    return std::min(few ? fewest(context) : rows, count);
  }

  // A halo and the prompt's end, or as much of it, down to a quarter, as leaves little computed.
  static int64_t fewest(const SelectionContext& context) {
    const ReuseOptions& options = context.options;
    const int64_t rows = options.halo + options.last, room = room_of(context.spans);
    return room >= options.halo + options.last / 4 ? std::min(rows, room) : rows;
  }

  // How many rows with a source can be computed so that most of the prompt is not.
  static int64_t room_of(std::span<const PlanSpan> spans) {
    const int64_t size = spans.empty() ? 0 : spans.back().first + spans.back().count;
    return (size - 1) / kRowsPerComputed - rows_without_source(spans);
  }

  static int64_t rows_without_source(std::span<const PlanSpan> spans) {
    int64_t rows = 0;
    for (const PlanSpan& span : spans)
      if (span.kind == PlanSpan::Kind::computed) rows += span.count;
    return rows;
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
