#pragma once

#include "kernels/cuda/batch.h"
#include "kernels/cuda/result.cuh"

namespace kvs::cuda {

/// Where the keys of a tile lie, one entry a column. In shared memory.
struct TileColumns {
  const std::byte* block[kTileKeys];
  int32_t slot[kTileKeys];
  int32_t position[kTileKeys];  ///< INT_MAX in columns without a key, which no row sees
};

/// Positions that the pairs of a task can see at all: rows of a sequence ascend by position.
struct Reach {
  int32_t first, last;

  __device__ Reach(const AttentionTask& task, const BatchView& batch, int group)
      : first(0), last(batch.positions[(task.pair_end - 1) / group]) {
    if (batch.window > 0) first = batch.positions[task.pair_begin / group] - batch.window + 1;
  }
  __device__ bool meets(const KvTile& tile) const {
    return tile.first_position <= last && tile.last_position >= first;
  }
};

/// The first tile of [tile, end) that the task sees; `end` where there is none.
__device__ inline int next_tile(const BatchView& batch, const Reach& reach, int tile, int end) {
  while (tile < end && !reach.meets(batch.tiles[tile])) ++tile;
  return tile;
}

/// Fills in a tile's columns. Every thread of the block takes part; a barrier must follow.
__device__ inline void describe_tile(TileColumns& columns, const BatchView& batch,
                                     const KvTile& tile) {
  const int threads = static_cast<int>(blockDim.x);
  for (int index = tile.piece_begin + static_cast<int>(threadIdx.x); index < tile.piece_end;
       index += threads) {
    const KvPiece piece = batch.pieces[index];
    for (int i = 0; i < piece.count; ++i) {
      columns.block[piece.column + i] = piece.block;
      columns.slot[piece.column + i] = piece.first + i;
      columns.position[piece.column + i] = piece.position + i;
    }
  }
  for (int column = tile.count + static_cast<int>(threadIdx.x); column < kTileKeys;
       column += threads) {
    columns.block[column] = nullptr;
    columns.position[column] = INT_MAX;
  }
}

/// Whether a row at `row` sees a key at `key`. A row of -1 sees nothing.
__device__ inline bool sees(int32_t row, int32_t key, int window) {
  return key <= row && (window == 0 || row - key < window);
}

/// Where a task's pair leaves its result, and whether that is a partial one.
struct PairTarget {
  bool partial;
  Result out;
  int64_t first;  ///< element of `out`

  __device__ PairTarget(Result all, const AttentionTask& task, const BatchView& batch, int kv_head,
                        int pair)
      : partial(task.partial >= 0), out(partial ? Result{batch.partials, false} : all) {
    const int group = batch.heads / batch.kv_heads, dim = batch.head_dim;
    const int64_t index = task.pair_begin + pair;
    first = partial
                ? (int64_t{task.partial + pair} * batch.kv_heads + kv_head) * (dim + kPartialExtras)
                : (index / group * batch.heads + kv_head * group + index % group) * dim;
  }
  __device__ void set(int element, float value) const { store(out, first + element, value); }
};

}  // namespace kvs::cuda
