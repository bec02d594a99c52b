#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kvs/evidence.h"
#include "kvs/export.h"
#include "kvs/reuse.h"

namespace kvs {

/// What a selector knows before anything is computed.
struct SelectionContext {
  std::span<const int32_t> tokens;
  std::span<const PlanSpan> spans;  ///< tiling the prompt
  const ReuseOptions& options;
};

/// How far a kept row is from the computed one in one layer; see Backend::kv_deviation().
struct RowDeviation {
  float key_squares = 0, value_squares = 0, value_magnitudes = 0;
};

/// A prompt being computed, as far as a selector may act on it. Every call but the last
/// three computes rows, which the report counts. *Required* rows are those with no source and those
/// chosen before anything was computed. Positions ascend.
class KVS_API PromptModel {
 public:
  virtual ~PromptModel() = default;
  virtual int layers() const = 0;

  /// Runs all rows but the exact ones through the layers [0, end), so that their keys and values
  /// there are their own. At most once, before everything else.
  virtual void compute_all(int end) = 0;

  /// Behind compute_all(): goes on up to `end` with the required rows and the kept ones at
  /// `positions`; from here on the other kept rows are the donor's.
  virtual void go_on(std::span<const int64_t> positions, int end) = 0;

  /// Runs the required rows over the kept ones through all layers. Returns the attention that the
  /// rows at `queries` (of the required ones) give to each position of the prompt, mean over heads
  /// and over every `layer_step`-th layer, the last among them, summed over the rows. At most once,
  /// and not with compute_all().
  virtual std::vector<float> probe(std::span<const int64_t> queries, int layer_step) = 0;

  /// What is known of the reuse; measured behind probe().
  virtual ReuseEvidence evidence() = 0;

  /// Of kept rows, in the layer that was run last, between the computed row and the donor's.
  virtual std::vector<RowDeviation> deviation(std::span<const int64_t> positions) = 0;

  /// The attention that the prompt's last row gives to each position in the layer run last.
  virtual std::vector<float> last_row_mass() = 0;
};

/// Chooses kept rows that are computed all the same. One rule, one class.
class KVS_API Selector {
 public:
  virtual ~Selector() = default;

  /// Kept rows, ascending, that are computed in all layers whatever is measured.
  virtual std::vector<int64_t> select(const SelectionContext& context) const;

  /// Whether the rule goes on to choose among what is left with the model's help. The context's
  /// spans are those select() left.
  virtual bool measures(const SelectionContext& context) const;

  /// How many rows select_measured() will choose where no guard decides; of rules that choose fewer
  /// from layer to layer, in the last ones. The context's spans are those select() left.
  virtual int64_t measured_rows(const SelectionContext& context) const;

  /// More such rows, ascending: those computed in the layers that the model has not run yet, or in
  /// all of them behind a probe. The context's spans are those select() left.
  virtual std::vector<int64_t> select_measured(const SelectionContext& context,
                                               PromptModel& model) const;
};

KVS_API std::unique_ptr<Selector> make_selector(Policy policy);

/// How far off each kept row is expected to be while nothing is measured, ascending by position: at
/// a distance of d rows from the seam in front of it 0.1 + 32 / (32 + d). As measured
/// (kvs-policies(7)).
KVS_API std::vector<double> expected_deviation(std::span<const PlanSpan> spans);

}  // namespace kvs
