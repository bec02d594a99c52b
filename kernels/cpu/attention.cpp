#include "kernels/cpu/attention.h"

#include "kernels/cpu/install.h"
#include "kernels/cpu/kv_tile.h"
#include "kernels/cpu/online_softmax.h"
#include "kernels/cpu/rotation.h"
#include "kernels/cpu/small_product.h"
#include "kernels/cpu/tile_rows.h"

// Attention in tiles (Dao et al. 2022). The (query row, head) pairs of a task are the rows of its
// small products: pair r * G + g is head g of row r, so that the pairs that see a tile are
// contiguous, and all of them share the conversion of its keys and values to f32.
namespace kvs::cpu {
namespace {

using namespace simd;

constexpr int kStripPairs = 24;  // whose scores stay in the first cache beside a tile's keys

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
  float* maximum = nullptr;      ///< [M], with the tile at work
  float* correction = nullptr;   ///< [M], of the sums before that tile
  float* lane_weight = nullptr;  ///< [M, kRowPadding]
  Sums chunk = {}, total = {};
};

Work begin_work(const AttentionCall& call, const AttentionTask& task, float* scratch) {
  const int rows = task.row_end - task.row_begin;
  Work work{call, task, rows, rows * call.group, padded(call.head_dim)};
  const auto take = [&](int64_t count) {
    float* taken = scratch;
    scratch += count;
    return taken;
  };
  const int64_t pairs = work.pairs, partial = partial_floats(work.pairs, call.head_dim);
  work.scores = take(pairs * kScoreStride);
  work.keys = take(int64_t{work.width} * kTilePositions);
  work.values = take(int64_t{work.width} * kTilePositions);
  work.maximum = take(padded(work.pairs) + kRowPadding);
  work.correction = take(padded(work.pairs) + kRowPadding);
  work.lane_weight = take(int64_t{kRowPadding} * padded(work.pairs));
  work.chunk = sums_at(take(partial), work.pairs, call.head_dim);
  work.total = sums_at(take(partial), work.pairs, call.head_dim);
  for (int slot = 0; slot < call.query_slots; ++slot) {
    work.slots[slot].queries = take(pairs * work.width);
  }
  return work;
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

  const int64_t head_dim = call.head_dim;
  const double* shift_angles = call.shift_angles + shift * head_dim;
  float* out = slot.queries;
  for (int64_t row = work.task.row_begin; row < work.task.row_end; ++row) {
    Rotation rotation;
    rotate_by_difference(call.row_angles + row * head_dim, shift_angles, call.head_dim / 2,
                         rotation);
    const float* query =
        call.qkv + row * call.qkv_stride + work.task.kv_head * call.group * head_dim;
    for (int g = 0; g < call.group; ++g, query += head_dim, out += head_dim) {
      rotate(query, rotation, call.head_dim / 2, call.scale * kLog2E, out);
    }
  }
  return slot.queries;
}

/// What takes part in a tile.
struct TileRange {
  int index;
  int position;             ///< of column 0
  int columns;              ///< that any row sees
  int first_row, last_row;  ///< rows of the task that see any
};

/// The rows that see a tile: those at or behind it whose window reaches it.
TileRange tile_range(const Work& work, int index) {
  const int32_t* positions = work.call.positions + work.task.row_begin;
  TileRange tile{index, index * kTilePositions, kTilePositions, 0, work.rows};
  while (tile.first_row < work.rows && positions[tile.first_row] < tile.position) ++tile.first_row;
  if (work.call.window > 0) {
    const int64_t end = int64_t{tile.position} + kTilePositions - 1 + work.call.window;
    while (tile.last_row > tile.first_row && positions[tile.last_row - 1] >= end) --tile.last_row;
  }
  if (tile.first_row < tile.last_row) {
    const int seen = positions[tile.last_row - 1] - tile.position + 1;
    tile.columns = seen < kTilePositions ? seen : kTilePositions;
  }
  return tile;
}

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

struct TileGroup {  ///< neighbours of one shift
  int first, count;
  int32_t shift;
};

/// Scores of some rows with the keys of one group, which are in work.keys.
void score_strip(Work& work, const TileRange& tile, const TileGroup& group, const float* queries) {
  const int heads = work.call.group;
  const int64_t head_dim = work.call.head_dim;
  for_row_blocks(tile.first_row * heads, tile.last_row * heads, [&](auto m, int64_t first) {
    const int last_row = static_cast<int>(first + m() - 1) / heads;
    const int seen = visible_columns(work, tile, last_row).last - group.first;
    const int columns = seen < group.count ? seen : group.count;
    if (columns <= 0) return;
    score_rows<m()>(queries + first * head_dim, work.keys,
                    work.scores + first * kScoreStride + group.first, head_dim, columns);
  });
}

/// The maxima first: the weights of one pair need not wait for the maximum of the next.
void find_maxima(Work& work, const TileRange& tile) {
  const int heads = work.call.group;
  for (int row = tile.first_row; row < tile.last_row; ++row) {
    const Visible visible = visible_columns(work, tile, row);
    const bool all = visible.first == 0 && visible.last == kTilePositions;
    for (int m = row * heads; m < (row + 1) * heads; ++m) {
      float* scores = work.scores + int64_t{m} * kScoreStride;
      if (!all) mask_scores(scores, tile.columns, visible.first, visible.last);
      work.maximum[m] = find_maximum(scores, tile.columns, work.chunk.maximum[m]);
    }
  }
}

void weigh_strip(Work& work, const TileRange& tile) {
  const int first = tile.first_row * work.call.group, last = tile.last_row * work.call.group;
  for (int m = first; m < last; m += kWidth) {  // what is computed behind `last` is not used
    const Vec before = load(work.chunk.maximum + m);
    store(work.correction + m, exp2_negative(before - load(work.maximum + m)));
  }
  for (int m = first; m < last; ++m) {
    float* scores = work.scores + int64_t{m} * kScoreStride;
    const Vec sum = tile.columns == kTilePositions ? weigh(scores, kTilePositions, work.maximum[m])
                                                   : weigh(scores, tile.columns, work.maximum[m]);
    float* lane_weight = work.lane_weight + int64_t{m} * kRowPadding;
    store(lane_weight, fma(load(lane_weight), broadcast(work.correction[m]), sum));
    work.chunk.maximum[m] = work.maximum[m];
  }
}

/// Rows whose pairs make whole blocks, at least kStripPairs of them.
int strip_rows(int heads) {
  int rows = 1;
  while (rows * heads % kBlockRows != 0) ++rows;
  return rows * ((kStripPairs + rows * heads - 1) / (rows * heads));
}

/// Scores of all rows with one group; with the last group's they become weights. Groups come in
/// ascending order: the last vector of one may write over columns of the next.
void score_group(Work& work, const TileRange& tile, const TileGroup& group) {
  const float* queries = queries_for_shift(work, group.shift);
  const int step = strip_rows(work.call.group);
  for (int row = tile.first_row; row < tile.last_row; row += step) {
    TileRange strip = tile;
    strip.first_row = row;
    strip.last_row = row + step < tile.last_row ? row + step : tile.last_row;
    score_strip(work, strip, group, queries);
    if (group.first + group.count < tile.columns) continue;
    find_maxima(work, strip);
    weigh_strip(work, strip);
  }
}

/// The pieces from `piece` on that have one shift and begin at `column`.
TileGroup next_group(const Work& work, const TileRange& tile, int32_t& piece, int column) {
  const KvTiles& kv = work.task.kv;
  TileGroup group{column, 0, kv.pieces[piece].shift};
  const int32_t end = kv.tile_begin[tile.index + 1];
  while (piece < end && kv.pieces[piece].shift == group.shift) {
    group.count += kv.pieces[piece++].count;
  }
  const int left = tile.columns - column;
  if (group.count > left) group.count = left;
  return group;
}

void weigh_tile(Work& work, const TileRange& tile, const TileRows& rows, const TileRows& ahead) {
  int32_t piece = work.task.kv.tile_begin[tile.index];
  for (int column = 0; column < tile.columns;) {
    const TileGroup group = next_group(work, tile, piece, column);
    load_keys(work.call.planes.type,
              {rows.keys + column, rows.key_scales + column, ahead.keys + column, group.count},
              work.call.head_dim, work.keys);
    score_group(work, tile, group);
    column += group.count;
  }
}

void add_values(Work& work, const TileRange& tile, const TileRows& rows, const TileRows& ahead) {
  load_values(work.call.planes.type, {rows.values, rows.value_scales, ahead.values, tile.columns},
              work.call.head_dim, work.values);
  const int heads = work.call.group;
  for_row_blocks(tile.first_row * heads, tile.last_row * heads, [&](auto m, int64_t first) {
    const int first_row = static_cast<int>(first) / heads;
    const int last_row = static_cast<int>(first + m() - 1) / heads;
    const ValueRange range{work.correction + first, visible_columns(work, tile, first_row).first,
                           visible_columns(work, tile, last_row).last, work.width};
    value_rows<m()>(work.scores + first * kScoreStride, work.values,
                    work.chunk.values + first * work.width, range);
  });
}

void process_chunk(Work& work, int chunk) {
  clear(work.chunk, work.pairs, work.width);
  for (int64_t m = 0; m < work.pairs; ++m) store(work.lane_weight + m * kRowPadding, zero());
  const int last_seen = work.call.positions[work.task.row_end - 1] / kTilePositions;
  const int last =
      chunk_first_tile(chunk + 1) - 1 < last_seen ? chunk_first_tile(chunk + 1) - 1 : last_seen;
  TileRows rows[2];  // of the tile at work and of the next one, whose rows are prefetched
  const auto find = [&](int index) {
    find_rows(work.task.kv, index, work.call.planes, work.task.kv_head, rows[index % 2]);
  };
  find(chunk_first_tile(chunk));
  for (int index = chunk_first_tile(chunk); index <= last; ++index) {
    if (index < last_seen) find(index + 1);
    const TileRange tile = tile_range(work, index);
    if (tile.first_row >= tile.last_row) continue;
    const TileRows& ahead = rows[(index < last_seen ? index + 1 : index) % 2];
    weigh_tile(work, tile, rows[index % 2], ahead);
    add_values(work, tile, rows[index % 2], ahead);
  }
  for (int64_t m = 0; m < work.pairs; ++m) {
    work.chunk.weight[m] = sum(load(work.lane_weight + m * kRowPadding));
  }
}

void write_pair(const AttentionCall& call, const AttentionTask& task, const Sums& total, int m) {
  const int64_t row = task.row_begin + m / call.group;
  const int64_t head = int64_t{task.kv_head} * call.group + m % call.group;
  float* out = call.out + row * call.out_stride + head * call.head_dim;
  const float* values = total.values + int64_t{m} * padded(call.head_dim);
  const Vec factor = broadcast(1 / total.weight[m]);
  int d = 0;
  for (; d + kWidth <= call.head_dim; d += kWidth) store(out + d, load(values + d) * factor);
  if (d < call.head_dim) store_first(out + d, load(values + d) * factor, call.head_dim - d);
}

void attention(const AttentionCall& call, const AttentionTask& task, float* scratch) {
  Work work = begin_work(call, task, scratch);
  const size_t stride = partial_floats(work.pairs, call.head_dim);
  if (!task.partial) clear(work.total, work.pairs, work.width);
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
  for (int m = 0; m < work.pairs; ++m) write_pair(call, task, work.total, m);
}

void merge_partials(const AttentionCall& call, const AttentionTask& task, float* scratch) {
  const int pairs = (task.row_end - task.row_begin) * call.group, width = padded(call.head_dim);
  const size_t stride = partial_floats(pairs, call.head_dim);
  const Sums total = sums_at(scratch, pairs, call.head_dim);
  clear(total, pairs, width);
  for (int chunk = task.chunk_begin; chunk < task.chunk_end; ++chunk) {
    float* memory = task.partial + stride * (chunk - task.chunk_begin);
    const Sums part = sums_at(memory, pairs, call.head_dim);
    for (int m = 0; m < pairs; ++m) merge(total, part, m, width);
  }
  for (int m = 0; m < pairs; ++m) write_pair(call, task, total, m);
}

}  // namespace

void install_attention(Kernels& table, Simd) {
  table.attention = attention;
  table.merge_partials = merge_partials;
}

}  // namespace kvs::cpu
