#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>

#include "kernels/cuda/batch.h"

// The grids of those launches that have more than one extent, and what a device takes at most:
// plain C++, which is tested without a device.
namespace kvs::cuda {

// Source: CUDA C++ Programming Guide, "Compute Capabilities".
inline constexpr int64_t kMostGridX = INT_MAX;
inline constexpr int64_t kMostGridYZ = 65535;
inline constexpr int kMostBlockThreads = 1024;
inline constexpr int kUnaskedSharedBytes = 48 << 10;  ///< of a block that does not ask for more
inline constexpr int kMostSharedBytes = 99 << 10;     ///< on sm_89, the least of our targets

struct Grid {
  unsigned x, y, z;
};

/// What is too much stays so, for the device to refuse.
inline Grid grid_of(int64_t x, int64_t y, int64_t z = 1) {
  const auto narrowed = [](int64_t extent) {
    return static_cast<unsigned>(std::min<int64_t>(extent, UINT_MAX));
  };
  return {narrowed(x), narrowed(y), narrowed(z)};
}

constexpr int64_t divided_up(int64_t count, int64_t by) {
  return (count + by - 1) / by;
}

/// A block for each task, or merge, of each KV head.
inline Grid task_grid(int64_t tasks, int kv_heads) {
  return grid_of(tasks, kv_heads);
}

inline constexpr int kVectorWarps = 4;  ///< of a block; a warp has one vector

/// A warp for each of the vectors, keys and values, of each row.
inline Grid vector_grid(int64_t rows, int64_t vectors) {
  return grid_of(rows, divided_up(vectors, kVectorWarps));
}

inline constexpr int kMassTiles = 8;  ///< of a block

/// Scores of attention_mass: a block for some pairs, each KV head and some tiles.
inline Grid mass_grid(int64_t pairs, int kv_heads, int64_t tiles) {
  return grid_of(divided_up(pairs, kRowPairs), kv_heads, divided_up(tiles, kMassTiles));
}

/// A block for kTopBlock neighbours in a row.
inline Grid top_logits_grid(int64_t count, int64_t rows) {
  return grid_of(top_blocks(count), rows);
}

}  // namespace kvs::cuda
