#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/layered_view.h"
#include "kvs/transformer.h"

namespace kvs {

/// The rows of one forward pass over several sequences, whose layers may see different lists.
class StepBatch {
 public:
  /// Adds rows of one sequence, which outlives the batch: their positions, ascending, and tokens,
  /// and of how many of the last ones the logits are wanted.
  void add(const LayeredView& view, std::span<const int64_t> positions,
           std::span<const int32_t> tokens, int64_t logits_rows);

  int64_t rows() const { return static_cast<int64_t>(batch_.tokens.size()); }
  size_t logits_rows() const { return batch_.logits_rows.size(); }

  /// Index of the row whose logits come out at `index`.
  int32_t logits_row(size_t index) const { return batch_.logits_rows[index]; }

  /// The batch with what every layer sees.
  const Batch& finish();

 private:
  struct Seen {
    const LayeredView* view;
    int64_t size;  // positions
  };
  std::vector<BatchSequence> sequences_at(int layer) const;

  Batch batch_;
  std::vector<Seen> seen_;
};

}  // namespace kvs
