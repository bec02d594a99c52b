#include <algorithm>
#include <iterator>

#include "kvs/guard.h"
#include "reuse/choice.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

/// This project's rule. First by structure, where rows are known to be off: a halo right of each
/// edit, the first tokens of each span that moved (attention sinks where they come from), and the
/// prompt's last tokens, which ask about the others. The rest of the budget goes to windows, as
/// `probe` finds them; behind them only the rows that ask are computed again. Sources: Hu et al.
/// 2025 (EPIC) for the sinks, ProphetKV for the probe; the numbers were measured (kvs-policies(7)).
class KvshareSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext& context) const override {
    const ReuseOptions& options = context.options;
    std::vector<int64_t> positions;
    const PlanSpan* before = nullptr;
    for (const PlanSpan& span : context.spans) {
      if (span.kind == PlanSpan::Kind::shifted) {
        const bool edit = !before || !before->shared() || before->kind == PlanSpan::Kind::fuzzy;
        const int64_t moved = span.first == span.donor_first ? 0 : options.sinks;
        const int64_t rows = std::min(span.count, std::max(edit ? options.halo : 0, moved));
        for (int64_t row = 0; row < rows; ++row) positions.push_back(span.first + row);
      }
      before = &span;
    }
    const std::vector<int64_t> last = last_kept(context.spans, options.last);
    std::vector<int64_t> all;
    std::set_union(positions.begin(), positions.end(), last.begin(), last.end(),
                   std::back_inserter(all));
    return all;
  }

  bool measures() const override { return true; }

  int64_t measured_rows(const SelectionContext& context) const override {
    const double budget = context.options.budget.value_or(ReuseOptions::kDefaultBudget);
    return rows_to_measure(context.spans, budget);
  }

  std::vector<int64_t> select_measured(const SelectionContext& context,
                                       PromptModel& model) const override {
    const std::vector<int64_t> kept = kept_positions(context.spans);
    const std::vector<float> mass = model.probe(query_positions(context.spans, kQueryRows));
    const std::optional<double> budget = budget_of(context.options, model);
    if (!budget) return kept;  // the guard refuses to keep any
    const int64_t count = rows_to_measure(context.spans, *budget);
    if (count == 0) return {};
    return highest_windows(kept, values_at(mass, kept), context.options.window, count);
  }

 private:
  static std::optional<double> budget_of(const ReuseOptions& options, PromptModel& model) {
    if (options.budget || !options.guard)
      return options.budget.value_or(ReuseOptions::kDefaultBudget);
    return options.guard->budget_for(model.evidence());
  }

  // What the budget leaves behind structure.
  static int64_t rows_to_measure(std::span<const PlanSpan> spans, double budget) {
    const auto left = static_cast<int64_t>(kept_positions(spans).size());
    const int64_t structural = recomputed(spans);
    return std::max<int64_t>(0, share_of(budget, left + structural) - structural);
  }

  static int64_t recomputed(std::span<const PlanSpan> spans) {
    int64_t rows = 0;
    for (const PlanSpan& span : spans)
      if (span.kind == PlanSpan::Kind::recomputed) rows += span.count;
    return rows;
  }
};

}  // namespace

std::unique_ptr<Selector> make_kvshare() {
  return std::make_unique<KvshareSelector>();
}

}  // namespace kvs
