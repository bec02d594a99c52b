#include <algorithm>

#include "reuse/choice.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

constexpr int kFilterSteps = 3;      // layers over which the share falls to the budget
constexpr double kFirstShare = 1.5;  // of the budget, in the first filtered layer

/// Computes the first two layers in full, then the rows whose keys and values deviate most, fewer
/// from layer to layer: the rows that deviate most in one layer tend to do so in the next.
/// Source: Yao et al. 2025 (CacheBlend, arXiv 2405.16444), section 4. Different here: the paper
/// gives no schedule for its gradual filtering; the share falls from 1.5 budgets to one in three
/// equal steps. The deviation is of keys and values, where the authors' program looks at values
/// only.
class CacheBlendSelector final : public Selector {
 public:
  bool measures(const SelectionContext& /*context*/) const override { return true; }

  int64_t measured_rows(const SelectionContext& context) const override {
    return share_of_kept(context);
  }

  std::vector<int64_t> select_measured(const SelectionContext& context,
                                       PromptModel& model) const override {
    const std::vector<int64_t> kept = kept_positions(context.spans);
    const auto count = static_cast<int64_t>(kept.size());
    int layer = std::min(kFullLayers, model.layers());
    model.compute_all(layer);
    std::vector<int64_t> chosen = kept;
    for (int step = 0; step <= kFilterSteps && layer < model.layers(); ++step) {
      const double excess = (kFirstShare - 1) * (kFilterSteps - step) / kFilterSteps;
      const double share =
          context.options.budget.value_or(ReuseOptions::kDefaultBudget) * (1 + excess);
      chosen = highest(chosen, deviations(model, chosen), share_of(share, count));
      if (step < kFilterSteps) model.go_on(chosen, ++layer);
    }
    return chosen;
  }

 private:
  static std::vector<double> deviations(PromptModel& model, std::span<const int64_t> positions) {
    std::vector<double> scores;
    for (const RowDeviation& row : model.deviation(positions))
      scores.push_back(static_cast<double>(row.key_squares) + row.value_squares);
    return scores;
  }
};

}  // namespace

std::unique_ptr<Selector> make_cacheblend() {
  return std::make_unique<CacheBlendSelector>();
}

}  // namespace kvs
