#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kv_planes.h"

namespace kvs::cpu {

inline constexpr int kTilePositions = 64;  ///< of keys worked on at a time
inline constexpr int kScoreStride = 80;    ///< a tile's scores and room for one vector's overhang
inline constexpr int kMaxQuerySlots = 8;   ///< copies of a task's queries, one per shift
inline constexpr int kRowPadding = 16;     ///< elements; rows of scratch are multiples of it
inline constexpr int kPreferredHeadRows = 96;  ///< (query row, head) pairs that share a tile

/// Cached rows that stand next to one another in a block and in one tile of positions.
struct KvPiece {
  const std::byte* block;
  int32_t first;  ///< row in the block
  int32_t count;
  int32_t shift;  ///< row of AttentionCall::shift_angles
};

/// The rows that a sequence can see, cut at multiples of kTilePositions: tile t is made of the
/// pieces [tile_begin[t], tile_begin[t + 1]), in order and without gaps.
struct KvTiles {
  const KvPiece* pieces;
  const int32_t* tile_begin;
};

/// What all tasks of one attention call share. G query heads per KV head.
struct AttentionCall {
  const float* qkv = nullptr;  ///< [T, qkv_stride], the queries of row t first
  float* out = nullptr;        ///< [T, out_stride]
  int64_t qkv_stride = 0, out_stride = 0;
  const int32_t* positions = nullptr;    ///< [T]
  const double* row_angles = nullptr;    ///< [T, D]: cosines, then sines, of position * frequency
  const double* shift_angles = nullptr;  ///< [shifts, D]: the same of shift * frequency
  int group = 0, head_dim = 0;
  int window = 0;   ///< 0: a row sees everything before it
  float scale = 1;  ///< of the scores
  int query_slots = 1;
  KvPlanes planes;
};

/// The queries of one KV head in rows [row_begin, row_end) of a sequence, over some chunks of its
/// positions. Rows ascend by position.
struct AttentionTask {
  KvTiles kv;
  int32_t row_begin, row_end;
  int32_t kv_head;
  int32_t chunk_begin, chunk_end;
  /// Where the chunks' results go: [chunks, partial_floats(M, D)], M = rows * G. Null: the task
  /// has all chunks and writes the finished rows to `out`.
  float* partial;
};

/// Chunks are ranges of positions whose softmax is computed on its own and merged in order, always,
/// so that results do not depend on who computes which chunk. The bounds depend on the position
/// alone; long contexts have longer chunks, which bounds the memory of partial results.
static constexpr int chunk_first_tile(int chunk) {
  if (chunk <= 16) return 4 * chunk;
  if (chunk <= 44) return 64 + 16 * (chunk - 16);
  return 512 + 64 * (chunk - 44);
}

/// The chunk that holds a tile.
static constexpr int chunk_of_tile(int tile) {
  if (tile < 64) return tile / 4;
  if (tile < 512) return 16 + (tile - 64) / 16;
  return 44 + (tile - 512) / 64;
}

static constexpr int padded(int elements) {
  return (elements + kRowPadding - 1) / kRowPadding * kRowPadding;
}

/// Floats of one chunk's result: M rows of D sums, M maxima, M sums of weights.
static constexpr size_t partial_floats(int head_rows, int head_dim) {
  return static_cast<size_t>(head_rows) * padded(head_dim) +
         2 * static_cast<size_t>(padded(head_rows));
}

/// Floats of scratch that a task of up to `head_rows` = rows * G needs, 64-byte aligned.
static constexpr size_t attention_scratch_floats(int head_rows, int head_dim, int query_slots) {
  const auto m = static_cast<size_t>(head_rows), d = static_cast<size_t>(padded(head_dim));
  const size_t per_row = static_cast<size_t>(kRowPadding) + 2;
  return query_slots * m * d + m * kScoreStride + 2 * d * kTilePositions +
         2 * partial_floats(head_rows, head_dim) + per_row * padded(head_rows) + 2 * kRowPadding;
}

}  // namespace kvs::cpu
