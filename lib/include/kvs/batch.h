#pragma once

#include <cstdint>
#include <vector>

#include "kvs/kv_layout.h"

namespace kvs {

/// One row of a forward pass: a token of one sequence at its own position. Rows may be scattered
/// over the positions; a row attends to what stands at or before its position in its sequence,
/// whatever the order of rows (design: a shift rotates the query, never the cache).
struct BatchRow {
  int32_t sequence = 0;
  int32_t position = 0;
  void* block = nullptr;  ///< where its key and value go; null: they are not stored
  int32_t slot = 0;       ///< row in that block, [0, 64)
};

/// Cached rows that stand next to one another in a block and in a sequence. A key in it was rotated
/// for its home position, which is its position here minus `shift`.
struct KvRun {
  const void* block = nullptr;
  int32_t first = 0;     ///< first row in the block
  int32_t count = 0;     ///< rows, at least 1; first + count <= 64
  int32_t position = 0;  ///< of the first row, in the sequence
  int32_t shift = 0;     ///< position here minus home position
};

/// What the rows of one sequence can see: runs in order of position, without gaps from position 0
/// up to the last row computed in this batch. Rows computed in this batch are part of it: their
/// keys and values are written before any row attends.
struct BatchSequence {
  std::vector<KvRun> runs;
};

/// Everything a backend must know about a batch besides the activations. Rows of one sequence are
/// contiguous and ascend by position; they may share one: those of an encoder all stand at the last
/// position, so that each sees all, and go to slots of their own.
struct BatchLayout {
  std::vector<BatchRow> rows;
  std::vector<BatchSequence> sequences;
};

/// What attention needs to know of the model.
struct AttentionConfig {
  int heads = 0;    ///< query heads, a multiple of kv_heads
  KvLayout kv;      ///< kv_heads, head_dim and the cache's type
  float scale = 1;  ///< of the scores, usually 1 / sqrt(head_dim)
  int window = 0;   ///< a row sees at most this many positions, its own included; 0: all
  /// [head_dim / 2], radians per position, scaling applied. Angles are computed in double precision
  /// for any position, also beyond the context and below zero.
  std::vector<double> inverse_frequencies;
};

}  // namespace kvs
