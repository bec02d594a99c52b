#include "reuse/choice.h"
#include "reuse/rules.h"

namespace kvs {
namespace {

constexpr int64_t kLastRows = 16;

/// Two passes: the query's rows run over the kept keys and values; what they attend to, at true
/// positions and over all layers, is computed, and then the query again.
/// Source: ProphetKV (arXiv 2602.02579). Different here: rows without a source that stand before
/// kept ones run with the query, since prompts have holes; the
/// prompt's last tokens are always part of the query; windows of neighbours may be taken whole.
class ProbeSelector final : public Selector {
 public:
  std::vector<int64_t> select(const SelectionContext& context) const override {
    return last_kept(context.spans, kLastRows);
  }

  bool measures(const SelectionContext& /*context*/) const override { return true; }

  int64_t measured_rows(const SelectionContext& context) const override {
    return share_of_kept(context);
  }

  std::vector<int64_t> select_measured(const SelectionContext& context,
                                       PromptModel& model) const override {
    const std::vector<int64_t> kept = kept_positions(context.spans);
    const int64_t count = share_of_kept(context);
    if (count == 0) return {};
    const std::vector<float> mass = model.probe(query_positions(context.spans, kQueryRows), 1);
    return highest_windows(kept, values_at(mass, kept), context.options.window, count);
  }
};

}  // namespace

std::unique_ptr<Selector> make_probe() {
  return std::make_unique<ProbeSelector>();
}

}  // namespace kvs
