#include <algorithm>

#include "reuse/choice.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

/// Dual-stage high deviation, first stage: at layer 1, the attention that the last row gives to a
/// kept row times the sum of |V_new - V_old|; the highest are computed in all later layers. The
/// second stage, repair while decoding, is the engine's (ReuseOptions::repair_rows).
/// Source: KVShare v2 (arXiv 2503.16525v2), section 4. Different here: the query row is the
/// request's last one, and rows are those the alignment kept.
class DhdSelector final : public Selector {
 public:
  bool measures(const SelectionContext& /*context*/) const override { return true; }

  int64_t measured_rows(const SelectionContext& context) const override {
    return share_of_kept(context);
  }

  std::vector<int64_t> select_measured(const SelectionContext& context,
                                       PromptModel& model) const override {
    const std::vector<int64_t> kept = kept_positions(context.spans);
    model.compute_all(std::min(kFullLayers, model.layers()));
    const std::vector<float> mass = model.last_row_mass();
    const std::vector<RowDeviation> deviation = model.deviation(kept);
    std::vector<double> scores;
    for (size_t row = 0; row < kept.size(); ++row)
      scores.push_back(static_cast<double>(mass[kept[row]]) * deviation[row].value_magnitudes);
    return highest(kept, scores, share_of_kept(context));
  }
};

}  // namespace

std::unique_ptr<Selector> make_dhd() {
  return std::make_unique<DhdSelector>();
}

}  // namespace kvs
