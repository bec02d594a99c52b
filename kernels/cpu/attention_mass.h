#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/attention.h"

namespace kvs::cpu {

/// Query rows whose scores are kept at a time.
inline constexpr int kMassRows = 16;

/// The weights that the queries of one KV head, in some rows of one sequence, give to the
/// positions. What attention() leaves out is in no task: all positions belong to it.
struct MassTask {
  KvTiles kv;
  const int32_t* rows;  ///< [row_count], of the batch, ascending
  int32_t row_count;
  int32_t kv_head;
  float* mass;  ///< [positions up to the last row's], added to
};

/// Floats of scratch for tasks of the given extents, 64-byte aligned. `positions`: that the last
/// row sees.
static constexpr size_t mass_scratch_floats(int group, int head_dim, int64_t positions) {
  const auto tiles = static_cast<size_t>((positions + kTilePositions - 1) / kTilePositions);
  const size_t pairs = static_cast<size_t>(kMassRows) * group;
  return pairs * (padded(head_dim) + kScoreStride + tiles * kTilePositions) +
         static_cast<size_t>(padded(head_dim)) * kTilePositions;
}

}  // namespace kvs::cpu
