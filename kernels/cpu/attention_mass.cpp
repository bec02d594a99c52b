#include "kernels/cpu/attention_mass.h"

#include "kernels/cpu/install.h"
#include "kernels/cpu/kv_tile.h"
#include "kernels/cpu/online_softmax.h"
#include "kernels/cpu/rotation.h"
#include "kernels/cpu/small_product.h"
#include "kernels/cpu/tile_rows.h"

// The weights of attention themselves, for a few rows: all their scores are kept, then weighed.
// Pair r * G + g is head g of row r, as in attention.cpp.
namespace kvs::cpu {
namespace {

using namespace simd;

/// Some rows of a task, at most kMassRows, and the scratch.
struct MassWork {
  const AttentionCall& call;
  const MassTask& task;
  int first, rows;
  int positions;  ///< that the last row sees
  int64_t stride;
  float* queries;  ///< [M, D], rotated and scaled
  float* tile;     ///< [M, kScoreStride]
  float* keys;     ///< [D, kTilePositions]
  float* scores;   ///< [M, stride]
  int32_t shift = -1;
};

int position_of(const MassWork& work, int row) {
  return work.call.positions[work.task.rows[work.first + row]];
}

void rotate_queries(MassWork& work, int32_t shift) {
  if (work.shift == shift) return;
  work.shift = shift;
  const AttentionCall& call = work.call;
  const int64_t head_dim = call.head_dim;
  float* out = work.queries;
  for (int r = 0; r < work.rows; ++r) {
    const int64_t row = work.task.rows[work.first + r];
    Rotation rotation;
    rotate_by_difference(call.row_angles + row * head_dim, call.shift_angles + shift * head_dim,
                         call.head_dim / 2, rotation);
    const float* query =
        call.qkv + row * call.qkv_stride + work.task.kv_head * call.group * head_dim;
    for (int g = 0; g < call.group; ++g, query += head_dim, out += head_dim) {
      rotate(query, rotation, call.head_dim / 2, call.scale * kLog2E, out);
    }
  }
}

void score_tile(MassWork& work, int index) {
  const KvTiles& kv = work.task.kv;
  TileRows rows;
  find_rows(kv, index, work.call.planes, work.task.kv_head, rows);
  const int left = work.positions - index * kTilePositions;
  const int columns = left < kTilePositions ? left : kTilePositions;
  const int pairs = work.rows * work.call.group;
  const int64_t head_dim = work.call.head_dim;
  int column = 0;
  for (int32_t piece = kv.tile_begin[index]; column < columns; ++piece) {
    const int rest = columns - column;
    const int count = kv.pieces[piece].count < rest ? kv.pieces[piece].count : rest;
    load_keys(work.call.planes.type,
              {rows.keys + column, rows.key_scales + column, rows.keys + column, count},
              work.call.head_dim, work.keys);
    rotate_queries(work, kv.pieces[piece].shift);
    for_row_blocks(0, pairs, [&](auto m, int64_t first) {
      score_rows<m()>(work.queries + first * head_dim, work.keys,
                      work.tile + first * kScoreStride + column, head_dim, count);
    });
    column += count;
  }
  for (int64_t m = 0; m < pairs; ++m) {
    std::memcpy(work.scores + m * work.stride + int64_t{index} * kTilePositions,
                work.tile + m * kScoreStride, kTilePositions * sizeof(float));
  }
}

/// Softmax of one pair's scores, added to the mass.
void add_mass(const MassWork& work, int row, const float* scores_of_pair) {
  const int last = position_of(work, row) + 1;
  const int window = work.call.window;
  const int first = window > 0 && last > window ? last - window : 0;
  const auto* scores = scores_of_pair + first;
  const int count = last - first;
  float maximum = kNoMaximum;
  for (int p = 0; p < count; ++p) maximum = scores[p] > maximum ? scores[p] : maximum;
  Vec sums = zero();
  const auto weight_at = [&](int p) {
    return exp2_negative(load_first(scores + p, count - p) - broadcast(maximum));
  };
  for (int p = 0; p < count; p += kWidth) sums += first_lanes(count - p, weight_at(p), zero());
  const Vec factor = broadcast(1 / sum(sums));
  float* mass = work.task.mass + first;
  for (int p = 0; p < count; p += kWidth) {
    const Vec before = load_first(mass + p, count - p);
    store_first(mass + p, fma(weight_at(p), factor, before), count - p);
  }
}

void attention_mass(const AttentionCall& call, const MassTask& task, float* scratch) {
  const int last = call.positions[task.rows[task.row_count - 1]] + 1;
  const int tiles = (last + kTilePositions - 1) / kTilePositions;
  const int64_t stride = int64_t{tiles} * kTilePositions, most = int64_t{kMassRows} * call.group;
  for (int first = 0; first < task.row_count; first += kMassRows) {
    const int rows = task.row_count - first < kMassRows ? task.row_count - first : kMassRows;
    MassWork work{call, task, first, rows, 0, stride};
    work.positions = position_of(work, rows - 1) + 1;
    work.queries = scratch;
    work.tile = work.queries + most * padded(call.head_dim);
    work.keys = work.tile + most * kScoreStride;
    work.scores = work.keys + int64_t{padded(call.head_dim)} * kTilePositions;
    for (int tile = 0; tile * kTilePositions < work.positions; ++tile) score_tile(work, tile);
    for (int m = 0; m < rows * call.group; ++m) {
      add_mass(work, m / call.group, work.scores + m * stride);
    }
  }
}

}  // namespace

void install_attention_mass(Kernels& table, Simd) {
  table.attention_mass = attention_mass;
}

}  // namespace kvs::cpu
