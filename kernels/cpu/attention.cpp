#include "kernels/cpu/attention.h"

#include "kernels/cpu/install.h"
#include "kernels/cpu/kv_tile.h"
#include "kernels/cpu/rotation.h"
#include "kernels/cpu/small_product.h"

// Online softmax over tiles of 64 positions (Milakov & Gimelshein 2018; Dao et al. 2022). The
// (query row, head) pairs of a task are the rows of its small products: pair r * G + g is head g
// of row r, so that the pairs that see a tile are contiguous.
namespace kvs::cpu {
namespace {

using namespace simd;

constexpr float kNoMaximum = -1e30F;  // below every score, yet finite: differences stay numbers
constexpr float kLog2E = 1.44269504F;

using Bits = int32_t __attribute__((vector_size(sizeof(Vec))));

/// 2^x for x <= 0, 0 below -126; NaN stays NaN. Relative error of the polynomial 3e-9 (Remez).
inline Vec exp2_negative(Vec x) {
  x = max(broadcast(-127.0F), x);
  // Adding 1.5 * 2^23 rounds to a whole number; with the bias 127 its lowest bits are the exponent.
  const Vec magic = broadcast(12582912.0F + 127.0F);
  const Vec rounded = x + magic;
  const Vec power = reinterpret_cast<Vec>(reinterpret_cast<Bits>(rounded) << 23);
  const Vec f = x - (rounded - magic);
  Vec p = broadcast(1.5594677e-4F);
  p = fma(p, f, broadcast(1.3406644e-3F));
  p = fma(p, f, broadcast(9.6176930e-3F));
  p = fma(p, f, broadcast(5.5503107e-2F));
  p = fma(p, f, broadcast(2.4022653e-1F));
  p = fma(p, f, broadcast(6.9314721e-1F));
  p = fma(p, f, broadcast(1.0F));
  return p * power;
}

/// The sums of a softmax in the making, for M pairs.
struct Sums {
  float* values;   ///< [M, padded(D)]
  float* maximum;  ///< [M]
  float* weight;   ///< [M]
};

struct QuerySlot {
  int32_t shift = -1;
  float* queries = nullptr;  ///< [M, D], rotated and scaled
};

/// A task and its scratch.
struct Work {
  const AttentionCall& call;
  const AttentionTask& task;
  int rows, pairs, width;
  QuerySlot slots[kMaxQuerySlots] = {};
  int next_slot = 0;
  float* scores = nullptr;       ///< [M, kScoreStride]
  float* keys = nullptr;         ///< [D, kTilePositions]
  float* values = nullptr;       ///< [kTilePositions, padded(D)]
  float* correction = nullptr;   ///< [M]
  float* lane_weight = nullptr;  ///< [M, kRowPadding]
  Sums chunk = {}, total = {};
};

Sums sums_at(float* memory, int pairs, int head_dim) {
  float* maximum = memory + static_cast<size_t>(pairs) * padded(head_dim);
  return {memory, maximum, maximum + padded(pairs)};
}

Work begin_work(const AttentionCall& call, const AttentionTask& task, float* scratch) {
  const int rows = task.row_end - task.row_begin;
  Work work{call, task, rows, rows * call.group, padded(call.head_dim)};
  const auto take = [&](size_t count) {
    float* taken = scratch;
    scratch += count;
    return taken;
  };
  const size_t pairs = static_cast<size_t>(work.pairs);
  work.scores = take(pairs * kScoreStride);
  work.keys = take(static_cast<size_t>(work.width) * kTilePositions);
  work.values = take(static_cast<size_t>(work.width) * kTilePositions);
  work.correction = take(padded(work.pairs));
  work.lane_weight = take(static_cast<size_t>(kRowPadding) * padded(work.pairs));
  work.chunk = sums_at(take(partial_floats(work.pairs, call.head_dim)), work.pairs, call.head_dim);
  work.total = sums_at(take(partial_floats(work.pairs, call.head_dim)), work.pairs, call.head_dim);
  for (int slot = 0; slot < call.query_slots; ++slot) {
    work.slots[slot].queries = take(pairs * work.width);
  }
  return work;
}

void clear(const Sums& sums, int first, int last, int width) {
  for (int m = first; m < last; ++m) {
    for (int d = 0; d < width; d += kWidth) store(sums.values + m * width + d, zero());
    sums.maximum[m] = kNoMaximum;
    sums.weight[m] = 0;
  }
}

/// The task's queries rotated for a shift, with the scale of the scores and log2(e) in them.
const float* queries_for_shift(Work& work, int32_t shift) {
  const AttentionCall& call = work.call;
  for (int slot = 0; slot < call.query_slots; ++slot) {
    if (work.slots[slot].shift == shift) return work.slots[slot].queries;
  }
  QuerySlot& slot = work.slots[work.next_slot];
  work.next_slot = (work.next_slot + 1) % call.query_slots;
  slot.shift = shift;

  const int half = call.head_dim / 2;
  const double* shift_angles = call.shift_angles + static_cast<int64_t>(shift) * call.head_dim;
  float* out = slot.queries;
  for (int row = work.task.row_begin; row < work.task.row_end; ++row) {
    Rotation rotation;
    rotate_by_difference(call.row_angles + static_cast<int64_t>(row) * call.head_dim, shift_angles,
                         half, rotation);
    const float* query = call.qkv + row * call.qkv_stride +
                         static_cast<int64_t>(work.task.kv_head) * call.group * call.head_dim;
    for (int g = 0; g < call.group; ++g, query += call.head_dim, out += call.head_dim) {
      rotate(query, rotation, half, call.scale * kLog2E, out);
    }
  }
  return slot.queries;
}

/// Where a tile's rows lie. Padded behind `count` with the last row, for whole vectors.
struct TilePlaces {
  const std::byte* keys[kTilePositions + kRowPadding];
  const std::byte* values[kTilePositions];
  float key_scales[kTilePositions + kRowPadding];
  float value_scales[kTilePositions];
};

struct TileGroup {  ///< neighbours of one shift
  int first, count;
  int32_t shift;
};

void pad_keys(KvType type, TilePlaces& places, int count) {
  for (int c = count; c < count + kRowPadding; ++c) {
    places.keys[c] = places.keys[count - 1];
    if (type == KvType::q8) places.key_scales[c] = places.key_scales[count - 1];
  }
}

void place_piece(const Work& work, const KvPiece& piece, int column, TilePlaces& places) {
  const KvPlanes& planes = work.call.planes;
  const size_t head = static_cast<size_t>(work.task.kv_head);
  const std::byte* key = piece.block + planes.key + head * planes.head_bytes;
  const std::byte* value = piece.block + planes.value + head * planes.head_bytes;
  const std::byte* scales = piece.block + head * planes.head_scale_bytes;
  for (int i = 0; i < piece.count; ++i) {
    const size_t row = static_cast<size_t>(piece.first + i);
    places.keys[column + i] = key + row * planes.row_bytes;
    places.values[column + i] = value + row * planes.row_bytes;
    if (planes.type != KvType::q8) continue;
    std::memcpy(&places.key_scales[column + i], scales + planes.key_scale + 4 * row, 4);
    std::memcpy(&places.value_scales[column + i], scales + planes.value_scale + 4 * row, 4);
  }
}

/// The pairs and columns that take part in a tile.
struct TileRange {
  int position;             ///< of column 0
  int columns;              ///< that any pair sees
  int first_row, last_row;  ///< rows of the task that see any
};

/// Columns [first, last) of a tile that a row sees.
struct Visible {
  int first, last;
};
Visible visible_columns(const Work& work, const TileRange& tile, int row) {
  const int distance = work.call.positions[work.task.row_begin + row] - tile.position;
  const int last = distance + 1 < tile.columns ? distance + 1 : tile.columns;
  const int first = work.call.window > 0 ? distance - work.call.window + 1 : 0;
  return {first < 0 ? 0 : first, last < 0 ? 0 : last};
}

void score_group(Work& work, const TileRange& tile, const TileGroup& group,
                 const TilePlaces& places) {
  const int head_dim = work.call.head_dim;
  const float* queries = queries_for_shift(work, group.shift);
  load_keys(work.call.planes.type,
            {places.keys + group.first, places.key_scales + group.first, group.count}, head_dim,
            work.keys);
  const int heads = work.call.group;
  for_row_blocks(tile.first_row * heads, tile.last_row * heads, [&](auto m, int first) {
    const int seen = visible_columns(work, tile, (first + m() - 1) / heads).last - group.first;
    const int columns = seen < group.count ? seen : group.count;
    if (columns <= 0) return;
    score_rows<m()>(queries + static_cast<int64_t>(first) * head_dim, work.keys,
                    work.scores + first * kScoreStride + group.first, head_dim, columns);
  });
}

/// Scores that a row does not see become -inf: their weights are exactly 0.
void mask_scores(float* scores, int columns, Visible visible) {
  const Vec none = broadcast(-__builtin_inff());
  for (int c = 0; c < columns; c += kWidth) {
    const Vec ends = first_lanes(visible.last - c, load(scores + c), none);
    store(scores + c, first_lanes(visible.first - c, none, ends));
  }
}

/// Turns one pair's scores into weights, and brings its maximum, correction and sum up to date.
void weigh(Work& work, int m, int columns) {
  float* scores = work.scores + m * kScoreStride;
  Vec highest = load(scores);
  for (int c = kWidth; c < columns; c += kWidth) highest = max(load(scores + c), highest);
  const float before = work.chunk.maximum[m];
  const float found = max_lane(highest);
  const float maximum = found > before ? found : before;
  const Vec correction = exp2_negative(broadcast(before) - broadcast(maximum));
  Vec sum = zero();
  for (int c = 0; c < columns; c += kWidth) {
    const Vec weight = exp2_negative(load(scores + c) - broadcast(maximum));
    store(scores + c, weight);
    sum += weight;
  }
  float* lane_weight = work.lane_weight + m * kRowPadding;
  store(lane_weight, fma(load(lane_weight), correction, sum));
  work.correction[m] = correction[0];
  work.chunk.maximum[m] = maximum;
}

void weigh_rows(Work& work, const TileRange& tile) {
  const int heads = work.call.group;
  for (int row = tile.first_row; row < tile.last_row; ++row) {
    const Visible visible = visible_columns(work, tile, row);
    const bool all =
        visible.first == 0 && visible.last == tile.columns && tile.columns % kWidth == 0;
    for (int g = 0; g < heads; ++g) {
      const int m = row * heads + g;
      if (!all) mask_scores(work.scores + m * kScoreStride, tile.columns, visible);
      weigh(work, m, tile.columns);
    }
  }
}

void add_values(Work& work, const TileRange& tile, const TilePlaces& places) {
  load_values(work.call.planes.type, {places.values, places.value_scales, tile.columns},
              work.call.head_dim, work.values);
  const int heads = work.call.group;
  for_row_blocks(tile.first_row * heads, tile.last_row * heads, [&](auto m, int first) {
    const ValueRange range{work.correction + first,
                           visible_columns(work, tile, first / heads).first,
                           visible_columns(work, tile, (first + m() - 1) / heads).last, work.width};
    value_rows<m()>(work.scores + first * kScoreStride, work.values,
                    work.chunk.values + static_cast<int64_t>(first) * work.width, range);
  });
}

/// Scores of a tile, group by group, in ascending order: a group's last vector may write over the
/// columns of the next.
void score_tile(Work& work, const TileRange& tile, TilePlaces& places, int tile_index) {
  const KvTiles& kv = work.task.kv;
  TileGroup group{0, 0, -1};
  int column = 0;
  for (int32_t p = kv.tile_begin[tile_index]; p < kv.tile_begin[tile_index + 1]; ++p) {
    const KvPiece& piece = kv.pieces[p];
    if (piece.shift != group.shift) {
      if (group.count > 0) {
        pad_keys(work.call.planes.type, places, column);
        score_group(work, tile, group, places);
      }
      group = {column, 0, piece.shift};
    }
    place_piece(work, piece, column, places);
    group.count += piece.count;
    column += piece.count;
    if (column >= tile.columns) break;
  }
  group.count = tile.columns - group.first;
  pad_keys(work.call.planes.type, places, column);
  score_group(work, tile, group, places);
}

/// The rows of the task that see a tile: those at or behind it whose window reaches it.
TileRange tile_range(const Work& work, int tile_index) {
  const int32_t* positions = work.call.positions + work.task.row_begin;
  TileRange tile{tile_index * kTilePositions, kTilePositions, 0, work.rows};
  while (tile.first_row < work.rows && positions[tile.first_row] < tile.position) ++tile.first_row;
  if (work.call.window > 0) {
    const int end = tile.position + kTilePositions - 1 + work.call.window;
    while (tile.last_row > tile.first_row && positions[tile.last_row - 1] >= end) --tile.last_row;
  }
  if (tile.first_row < tile.last_row) {
    const int seen = positions[tile.last_row - 1] - tile.position + 1;
    tile.columns = seen < kTilePositions ? seen : kTilePositions;
  }
  return tile;
}

void process_tile(Work& work, int tile_index) {
  const TileRange tile = tile_range(work, tile_index);
  if (tile.first_row >= tile.last_row) return;
  TilePlaces places;
  score_tile(work, tile, places, tile_index);
  weigh_rows(work, tile);
  add_values(work, tile, places);
}

/// total += part, for one pair. Sums that saw nothing change nothing.
void merge(const Sums& total, const Sums& part, int m, int width) {
  const float before = total.maximum[m], found = part.maximum[m];
  const float maximum = found > before ? found : before;
  const Vec keep = exp2_negative(broadcast(before) - broadcast(maximum));
  const Vec gain = exp2_negative(broadcast(found) - broadcast(maximum));
  float* to = total.values + static_cast<int64_t>(m) * width;
  const float* from = part.values + static_cast<int64_t>(m) * width;
  for (int d = 0; d < width; d += kWidth) {
    store(to + d, fma(load(from + d), gain, load(to + d) * keep));
  }
  const Vec weight = fma(broadcast(part.weight[m]), gain, broadcast(total.weight[m]) * keep);
  total.weight[m] = weight[0];
  total.maximum[m] = maximum;
}

void process_chunk(Work& work, int chunk) {
  clear(work.chunk, 0, work.pairs, work.width);
  for (int m = 0; m < work.pairs; ++m) store(work.lane_weight + m * kRowPadding, zero());
  const int last_row_tile = work.call.positions[work.task.row_end - 1] / kTilePositions;
  const int chunk_end = chunk_first_tile(chunk + 1);
  const int end = last_row_tile + 1 < chunk_end ? last_row_tile + 1 : chunk_end;
  for (int tile = chunk_first_tile(chunk); tile < end; ++tile) process_tile(work, tile);
  for (int m = 0; m < work.pairs; ++m) {
    work.chunk.weight[m] = sum(load(work.lane_weight + m * kRowPadding));
  }
}

void write_row(const AttentionCall& call, const AttentionTask& task, const Sums& total, int m) {
  const int row = task.row_begin + m / call.group, g = m % call.group;
  const int64_t head = static_cast<int64_t>(task.kv_head) * call.group + g;
  float* out = call.out + row * call.out_stride + head * call.head_dim;
  const float* values = total.values + static_cast<int64_t>(m) * padded(call.head_dim);
  const Vec factor = broadcast(1 / total.weight[m]);
  int d = 0;
  for (; d + kWidth <= call.head_dim; d += kWidth) store(out + d, load(values + d) * factor);
  if (d < call.head_dim) store_first(out + d, load(values + d) * factor, call.head_dim - d);
}

void attention(const AttentionCall& call, const AttentionTask& task, float* scratch) {
  Work work = begin_work(call, task, scratch);
  const size_t stride = partial_floats(work.pairs, call.head_dim);
  if (!task.partial) clear(work.total, 0, work.pairs, work.width);
  for (int chunk = task.chunk_begin; chunk < task.chunk_end; ++chunk) {
    if (task.partial) {
      float* memory = task.partial + stride * (chunk - task.chunk_begin);
      work.chunk = sums_at(memory, work.pairs, call.head_dim);
    }
    process_chunk(work, chunk);
    if (task.partial) continue;
    for (int m = 0; m < work.pairs; ++m) merge(work.total, work.chunk, m, work.width);
  }
  if (task.partial) return;
  for (int m = 0; m < work.pairs; ++m) write_row(call, task, work.total, m);
}

void merge_partials(const AttentionCall& call, const AttentionTask& task, float* scratch) {
  const int pairs = (task.row_end - task.row_begin) * call.group;
  const size_t stride = partial_floats(pairs, call.head_dim);
  const Sums total = sums_at(scratch, pairs, call.head_dim);
  clear(total, 0, pairs, padded(call.head_dim));
  for (int chunk = task.chunk_begin; chunk < task.chunk_end; ++chunk) {
    float* memory = task.partial + stride * (chunk - task.chunk_begin);
    const Sums part = sums_at(memory, pairs, call.head_dim);
    for (int m = 0; m < pairs; ++m) merge(total, part, m, padded(call.head_dim));
  }
  for (int m = 0; m < pairs; ++m) write_row(call, task, total, m);
}

}  // namespace

void install_attention(Kernels& table, Simd) {
  table.attention = attention;
  table.merge_partials = merge_partials;
}

}  // namespace kvs::cpu
