#pragma once

#include <climits>

#include "kernels/cuda/batch.h"
#include "kernels/cuda/kv_element.cuh"
#include "kernels/cuda/kv_tile.cuh"
#include "kernels/cuda/launch_grid.h"
#include "kernels/cuda/rotation.cuh"

// Scores of few rows in f32, for any type of cache and any head_dim: a block takes up to eight
// pairs of one KV head and widens a tile's keys to f32 in shared memory.
namespace kvs::cuda {

inline constexpr int kFewThreads = 128;
/// Pairs that one thread scores its key with.
inline constexpr int kScores = kRowPairs * kTileKeys / kFewThreads;

/// In shared memory, followed by the queries [kRowPairs, D] and the tile [64, D + 1], whose rows
/// are padded so that a column of them meets every bank.
struct FewRows {
  TileColumns columns;
  float scores[kRowPairs][kTileKeys];
  float largest[kRowPairs], weights[kRowPairs], fade[kRowPairs];
  int32_t rows[kRowPairs];       ///< of the batch; -1: no pair
  int32_t positions[kRowPairs];  ///< of the rows; -1, which sees nothing

  __device__ float* queries() { return reinterpret_cast<float*>(this + 1); }
  __device__ float* tile(int head_dim) { return queries() + kRowPairs * head_dim; }
};

constexpr int few_rows_bytes(int head_dim) {
  const int floats = kRowPairs * head_dim + kTileKeys * (head_dim + 1);
  return static_cast<int>(sizeof(FewRows)) + floats * static_cast<int>(sizeof(float));
}
static_assert(few_rows_bytes(kMaxHeadDim) <= kMostSharedBytes);

/// Sets up the pairs from `pair_begin` on; `row_of` gives the batch row of the n-th row meant.
template <typename RowOf>
__device__ void begin_rows(FewRows& few, const BatchView& batch, int pair_begin, int pair_end,
                           RowOf row_of) {
  if (threadIdx.x >= kRowPairs) return;
  const int pair = pair_begin + static_cast<int>(threadIdx.x);
  const bool exists = pair < pair_end;
  const int row = exists ? row_of(pair / (batch.heads / batch.kv_heads)) : -1;
  few.rows[threadIdx.x] = row;
  few.positions[threadIdx.x] = exists ? batch.positions[row] : -1;
  few.largest[threadIdx.x] = -INFINITY;
  few.weights[threadIdx.x] = 0;
}

/// Widens the tile's keys or values; columns without a key become 0.
template <KvType type>
__device__ void load_tile(float* tile, const TileColumns& columns, const BatchView& batch,
                          size_t plane, size_t scales) {
  const int dim = batch.head_dim;
  for (int i = threadIdx.x; i < kTileKeys * dim; i += kFewThreads) {
    const int column = i / dim, d = i - column * dim;
    const std::byte* block = columns.block[column];
    float x = 0;
    if (block)
      x = cached_element<type>(block, plane, scales, batch.planes, columns.slot[column], d);
    tile[column * (dim + 1) + d] = x;
  }
}

/// The pairs' queries, rotated for their position less the shift, times scale * log2(e).
__device__ inline void rotate_queries(FewRows& few, const float* qkv, const BatchView& batch,
                                      int pair_begin, int kv_head, int shift) {
  const int dim = batch.head_dim, half = dim / 2, group = batch.heads / batch.kv_heads;
  const float factor = batch.scale * 1.44269504088896341F;
  const auto* angles = reinterpret_cast<const Angle*>(batch.row_angles);
  const auto* shifts = reinterpret_cast<const Angle*>(batch.shift_angles) + int64_t{shift} * half;
  float* queries = few.queries();
  for (int i = threadIdx.x; i < kRowPairs * half; i += kFewThreads) {
    const int pair = i / half, d = i - pair * half;
    const int64_t row = few.rows[pair];
    float2 turned{0, 0};
    if (row >= 0) {
      const int head = kv_head * group + (pair_begin + pair) % group;
      const float* x = qkv + (row * (batch.heads + 2 * batch.kv_heads) + head) * dim;
      turned = rotated(x[d], x[d + half], difference(angles[row * half + d], shifts[d]));
    }
    queries[pair * dim + d] = turned.x * factor;
    queries[pair * dim + d + half] = turned.y * factor;
  }
}

/// Scores of the tile's keys, -infinity where a pair does not see one: a thread adds up those of
/// one key with half of the pairs.
__device__ inline void score(FewRows& few, int dim, int window) {
  const int column = threadIdx.x % kTileKeys;
  const int first = static_cast<int>(threadIdx.x) / kTileKeys * kScores;
  const float *queries = few.queries(), *tile = few.tile(dim);
  float sums[kScores] = {};
  for (int d = 0; d < dim; ++d) {
    const float key = tile[column * (dim + 1) + d];
#pragma unroll
    for (int i = 0; i < kScores; ++i) sums[i] += queries[(first + i) * dim + d] * key;
  }
  const int32_t position = few.columns.position[column];
#pragma unroll
  for (int i = 0; i < kScores; ++i) {
    const bool seen = sees(few.positions[first + i], position, window);
    few.scores[first + i][column] = seen ? sums[i] : -INFINITY;
  }
}

}  // namespace kvs::cuda
