#include "backend/cuda_tables.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "backend/batch_rules.h"

namespace kvs {
namespace {

using cuda::AttentionTask;
using cuda::KvTile;

static_assert(kMaxBatchHeadDim <= cuda::kMaxHeadDim);

constexpr int kBlocksPerMultiprocessor = 4;  // tasks wanted, so that the last to finish is short
constexpr int64_t kLeastTiles = 4;           // of a task: less is not worth merging

cuda::KvType kv_type(DType type) {
  switch (type) {
    case DType::f32:
      return cuda::KvType::f32;
    case DType::bf16:
      return cuda::KvType::bf16;
    case DType::q8:
      return cuda::KvType::q8;
    case DType::f16:
      break;
  }
  return cuda::KvType::f16;
}

/// Pairs of one sequence that attend together, all over tiles [tile_begin, tile_end).
struct Group {
  int32_t pair_begin, pair_end;
  int32_t first_position, last_position;  ///< that any of its pairs sees
  int32_t tile_begin, tile_end;
};

class Maker {
 public:
  Maker(const BatchLayout& layout, const AttentionConfig& config, int multiprocessors)
      : layout_(layout), config_(config), wanted_(multiprocessors * kBlocksPerMultiprocessor) {}

  CudaTables make() {
    const auto rows = static_cast<int32_t>(layout_.rows.size());
    for (const BatchRow& row : layout_.rows) {
      tables_.positions.push_back(row.position);
      tables_.places.push_back({static_cast<std::byte*>(row.block), row.slot});
    }
    for (int32_t begin = 0, end = 0; begin < rows; begin = end) {
      const int32_t sequence = layout_.rows[begin].sequence;
      while (end < rows && layout_.rows[end].sequence == sequence) ++end;
      add_sequence(layout_.sequences[sequence], begin, end);
    }
    add_tasks(row_groups_, tables_.row_tasks);
    add_tasks(tile_groups_, tables_.tile_tasks);
    return std::move(tables_);
  }

 private:
  int group() const { return config_.heads / config_.kv.kv_heads; }

  int32_t shift_index(int32_t shift) {
    const auto [found, is_new] =
        shift_indices_.try_emplace(shift, static_cast<int32_t>(tables_.shifts.size()));
    if (is_new) tables_.shifts.push_back(shift);
    return found->second;
  }

  void add_sequence(const BatchSequence& sequence, int32_t row_begin, int32_t row_end) {
    const auto tile_begin = static_cast<int32_t>(tables_.tiles.size());
    add_tiles(sequence, tables_.positions[row_end - 1]);
    const auto tile_end = static_cast<int32_t>(tables_.tiles.size());
    tables_.sequences.push_back({row_begin, row_end, tile_begin, tile_end});

    const int32_t begin = row_begin * group(), end = row_end * group();
    const bool by_tiles = end - begin > 2 * cuda::kRowPairs &&
                          cuda::has_tile_kernel(kv_type(config_.kv.type), config_.kv.head_dim);
    const int32_t step = by_tiles ? cuda::kTilePairs : cuda::kRowPairs;
    for (int32_t pair = begin; pair < end; pair += step) {
      const int32_t last = std::min(pair + step, end);
      const int32_t first_row = tables_.positions[pair / group()];
      const int32_t first = config_.window > 0 ? first_row - config_.window + 1 : 0;
      (by_tiles ? tile_groups_ : row_groups_)
          .push_back(
              {pair, last, first, tables_.positions[(last - 1) / group()], tile_begin, tile_end});
    }
  }

  /// Runs of one shift after another, packed densely: runs that are short share a tile.
  void add_tiles(const BatchSequence& sequence, int32_t last_position) {
    std::vector<const KvRun*> runs;
    for (const KvRun& run : sequence.runs)
      if (run.position <= last_position) runs.push_back(&run);
    std::stable_sort(runs.begin(), runs.end(),
                     [](const KvRun* a, const KvRun* b) { return a->shift < b->shift; });
    for (size_t i = 0; i < runs.size(); ++i) {
      const bool fresh = i == 0 || runs[i]->shift != runs[i - 1]->shift;
      add_run(*runs[i], fresh);
    }
  }

  void add_run(const KvRun& run, bool fresh) {
    for (int32_t done = 0; done < run.count;) {
      if (fresh || tables_.tiles.back().count == cuda::kTileKeys) {
        const auto piece = static_cast<int32_t>(tables_.pieces.size());
        tables_.tiles.push_back(
            {piece, piece, run.position + done, run.position + done, shift_index(run.shift), 0});
        fresh = false;
      }
      KvTile& tile = tables_.tiles.back();
      const int32_t count = std::min(run.count - done, cuda::kTileKeys - tile.count);
      tables_.pieces.push_back({static_cast<const std::byte*>(run.block), run.first + done, count,
                                run.position + done, tile.count});
      tile.piece_end = static_cast<int32_t>(tables_.pieces.size());
      tile.last_position = run.position + done + count - 1;
      tile.count += count;
      done += count;
    }
  }

  bool meets(const Group& group, const KvTile& tile) const {
    return tile.first_position <= group.last_position && tile.last_position >= group.first_position;
  }
  int64_t visible_tiles(const Group& group) const {
    int64_t visible = 0;
    for (int32_t tile = group.tile_begin; tile < group.tile_end; ++tile)
      visible += meets(group, tables_.tiles[tile]);
    return visible;
  }

  /// Divides groups whose share of the work is larger than that of one of the wanted tasks.
  void add_tasks(const std::vector<Group>& groups, std::vector<AttentionTask>& tasks) {
    std::vector<int64_t> visible;
    int64_t all = 0;
    for (const Group& group : groups) {
      visible.push_back(visible_tiles(group));
      all += visible.back();
    }
    const int64_t share =
        std::max(kLeastTiles, (all * config_.kv.kv_heads + wanted_ - 1) / wanted_);
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto parts = static_cast<int32_t>(std::max<int64_t>(1, visible[i] / share));
      add_parts(groups[i], visible[i], parts, tasks);
    }
  }

  void add_parts(const Group& group, int64_t visible, int32_t parts,
                 std::vector<AttentionTask>& tasks) {
    const int32_t pairs = group.pair_end - group.pair_begin;
    if (parts == 1) {
      tasks.push_back({group.pair_begin, group.pair_end, group.tile_begin, group.tile_end, -1});
      return;
    }
    const auto partial = static_cast<int32_t>(tables_.partials);
    tables_.merges.push_back({group.pair_begin, group.pair_end, partial, parts});
    tables_.partials += int64_t{parts} * pairs;
    int32_t tile = group.tile_begin;
    int64_t passed = 0;
    for (int32_t part = 0; part < parts; ++part) {
      const int32_t begin = tile;
      const int64_t until = visible * (part + 1) / parts;
      while (passed < until) passed += meets(group, tables_.tiles[tile++]);
      const int32_t end = part + 1 == parts ? group.tile_end : tile;
      tasks.push_back({group.pair_begin, group.pair_end, begin, end, partial + part * pairs});
    }
  }

  const BatchLayout& layout_;
  const AttentionConfig& config_;
  int64_t wanted_;
  CudaTables tables_;
  std::unordered_map<int32_t, int32_t> shift_indices_;
  std::vector<Group> row_groups_, tile_groups_;
};

template <typename T>
void fill_table(std::vector<T>& table, size_t& room) {
  if (table.size() > room) room = std::bit_ceil(table.size());
  table.resize(room);
}

}  // namespace

CudaTables make_cuda_tables(const BatchLayout& layout, const AttentionConfig& config,
                            int multiprocessors) {
  check_batch(layout, config);
  return Maker(layout, config, multiprocessors).make();
}

void CudaTableRoom::fill_up(CudaTables& tables) {
  fill_table(tables.shifts, shifts);
  fill_table(tables.pieces, pieces);
  fill_table(tables.tiles, tiles);
  fill_table(tables.row_tasks, row_tasks);
  fill_table(tables.tile_tasks, tile_tasks);
  fill_table(tables.merges, merges);
  if (tables.partials > partials)
    partials = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(tables.partials)));
  tables.partials = partials;
}

size_t PackedArrays::add_bytes(const void* data, size_t count) {
  const size_t begin = (bytes_.size() + kAlignment - 1) / kAlignment * kAlignment;
  bytes_.resize(begin + count);
  if (count > 0) std::memcpy(bytes_.data() + begin, data, count);
  return begin;
}

cuda::KvPlanes cuda_planes(const KvLayout& kv, int layer) {
  return {.type = kv_type(kv.type),
          .key = kv.key_offset(layer, 0),
          .value = kv.value_offset(layer, 0),
          .key_scale = kv.key_scale_offset(layer, 0),
          .value_scale = kv.value_scale_offset(layer, 0),
          .head_bytes = kv.head_bytes(),
          .head_scale_bytes = kv.head_scale_bytes(),
          .row_bytes = kv.row_bytes()};
}

std::vector<cuda::KvPlace> cuda_places(std::span<const KvRun> runs) {
  std::vector<cuda::KvPlace> places;
  for (const KvRun& run : runs)
    for (int32_t i = 0; i < run.count; ++i)
      places.push_back({static_cast<std::byte*>(const_cast<void*>(run.block)), run.first + i});
  return places;
}

}  // namespace kvs
