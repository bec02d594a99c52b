#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kvs/forward_pass.h"
#include "kvs/kv_pool.h"
#include "kvs/selector.h"

namespace kvs {

/// One prompt's way through the model under a rule that measures: the passes it asks for, the views
/// they leave, and what they cost. No kept row is copied or overwritten: rows computed in its place
/// are fresh, and lists of ranges of layers say who sees which.
class PromptPass final : public PromptModel {
 public:
  /// `kept`: the view that the plan describes, whose required rows are still to be computed;
  /// `donors`: those of the plan, with the views of those that something is kept of. All must
  /// outlive the pass.
  PromptPass(Transformer& transformer, KvPool& pool, std::span<const int32_t> tokens,
             const ReusePlan& plan, std::span<const ReuseDonor> donors, const KvView& kept,
             Pace pace = {});

  int layers() const override { return transformer_.config().layers; }
  void compute_all(int end) override;
  void go_on(std::span<const int64_t> positions, int end) override;
  std::vector<float> probe(std::span<const int64_t> queries, int layer_step) override;
  ReuseEvidence evidence() override { return evidence_; }
  std::vector<RowDeviation> deviation(std::span<const int64_t> positions) override;
  std::vector<float> last_row_mass() override { return last_row_mass_; }

  /// Computes what is left: the required rows and the kept ones at `positions`.
  void finish(std::span<const int64_t> positions);

  // Behind finish():
  const LayeredView& view() const { return view_; }
  std::vector<float> logits() { return pass_->logits(); }  ///< of the prompt's last row
  int64_t rows_run() const;                                ///< rows x layers, every pass
  /// Rows with a source, not required, that were computed in at least half of the layers.
  std::vector<int64_t> mostly_computed() const;

 private:
  void start(std::vector<int64_t> positions);
  void run(int end, const ForwardPass::Observer& observer = {});
  void measure(std::span<const float> query_mass, int64_t queries, std::span<const float> halo_mass,
               int64_t halos);
  void measure_drift(int layer_step);
  bool is_measured(int layer, int layer_step) const;
  std::vector<RowDeviation> deviation_of(std::span<const KvPair> pairs, int layer);
  void finish_probed(std::span<const int64_t> positions);
  void count(std::span<const int64_t> positions, int layers);

  Transformer& transformer_;
  KvPool& pool_;
  std::span<const int32_t> tokens_;
  const ReusePlan& plan_;
  std::span<const ReuseDonor> donors_;
  const KvView& kept_;
  const Pace pace_;
  std::vector<int64_t> required_;
  std::vector<int> layers_run_;  // [tokens], of rows that were kept
  KvView fresh_;                 // every row but the exact ones; behind compute_all()
  LayeredView view_;
  std::optional<ForwardPass> pass_;
  int64_t rows_run_before_ = 0;  // of passes that are over
  std::vector<float> last_row_mass_;
  ReuseEvidence evidence_;
  std::vector<int64_t> queries_;  // of the probe
  bool probed_ = false;
};

}  // namespace kvs
