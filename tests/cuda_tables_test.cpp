#include "backend/cuda_tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "support/attention_scene.h"

namespace kvs::test {
namespace {

using cuda::AttentionTask;

CudaTables tables_of(const AttentionScene& scene, int multiprocessors = 132) {
  return make_cuda_tables(scene.batch().layout, scene.batch().config, multiprocessors);
}

/// All keys of a sequence's tiles: block and slot by position.
using Keys = std::map<int32_t, std::tuple<const void*, int32_t, int32_t>>;

Keys keys_of(const CudaTables& tables, const CudaTables::Sequence& sequence) {
  Keys keys;
  for (int32_t index = sequence.tile_begin; index < sequence.tile_end; ++index) {
    const cuda::KvTile& tile = tables.tiles[index];
    for (int32_t p = tile.piece_begin; p < tile.piece_end; ++p) {
      const cuda::KvPiece& piece = tables.pieces[p];
      for (int32_t i = 0; i < piece.count; ++i)
        EXPECT_TRUE(keys.try_emplace(piece.position + i, piece.block, piece.first + i,
                                     tables.shifts[tile.shift])
                        .second)
            << piece.position + i;
    }
  }
  return keys;
}

TEST(CudaTables, HoldEveryKeyOnceWithItsShift) {
  AttentionScene scene({.heads = 4, .head_dim = 64});
  scene.add({.length = 300, .rows = {290, 299}, .shifts = {-4, 0, 7}, .longest_run = 9}, 1);

  const CudaTables tables = tables_of(scene);

  const Keys keys = keys_of(tables, tables.sequences.at(0));
  ASSERT_EQ(keys.size(), 300U);
  for (const KvRun& run : scene.batch().layout.sequences[0].runs)
    for (int32_t i = 0; i < run.count; ++i)
      EXPECT_EQ(keys.at(run.position + i), std::tuple(run.block, run.first + i, run.shift));
}

TEST(CudaTables, PackShortRunsOfOneShiftDensely) {
  AttentionScene scene({.heads = 4, .head_dim = 64});
  scene.add({.length = 640, .rows = {639}, .shifts = {5, 9}, .longest_run = 2}, 1);

  const CudaTables tables = tables_of(scene);

  // Full tiles but for the last of each of three shifts: 5, 9 and that of the computed row.
  EXPECT_EQ(tables.shifts.size(), 3U);
  EXPECT_LE(tables.tiles.size(), 640U / 64 + 3);
  std::set<int32_t> finished;
  int32_t shift = -1;
  for (const cuda::KvTile& tile : tables.tiles) {
    if (tile.shift != shift) {
      EXPECT_TRUE(finished.insert(tile.shift).second) << "turned twice";
    }
    shift = tile.shift;
  }
}

TEST(CudaTables, KeepTheColumnsOfATileApart) {
  AttentionScene scene({.heads = 2, .head_dim = 8});
  scene.add({.length = 500, .rows = positions_from(400, 100), .longest_run = 7}, 1);

  const CudaTables tables = tables_of(scene);

  for (const cuda::KvTile& tile : tables.tiles) {
    int32_t column = 0, position = tile.first_position - 1;
    for (int32_t p = tile.piece_begin; p < tile.piece_end; ++p) {
      EXPECT_EQ(tables.pieces[p].column, column);
      EXPECT_GT(tables.pieces[p].position, position);
      column += tables.pieces[p].count;
      position = tables.pieces[p].position + tables.pieces[p].count - 1;
    }
    EXPECT_EQ(column, tile.count);
    EXPECT_EQ(position, tile.last_position);
    EXPECT_LE(column, cuda::kTileKeys);
  }
}

// Every pair meets every tile that it sees exactly once, whatever the number of parts.
void expect_cover(const AttentionScene& scene, int multiprocessors) {
  const CudaTables tables = tables_of(scene, multiprocessors);
  const AttentionConfig& config = scene.batch().config;
  const int group = config.heads / config.kv.kv_heads;
  std::map<std::pair<int32_t, int32_t>, int> met;
  for (const auto* tasks : {&tables.row_tasks, &tables.tile_tasks})
    for (const AttentionTask& task : *tasks)
      for (int32_t pair = task.pair_begin; pair < task.pair_end; ++pair)
        for (int32_t tile = task.tile_begin; tile < task.tile_end; ++tile) ++met[{pair, tile}];
  for (const CudaTables::Sequence& sequence : tables.sequences)
    for (int32_t pair = sequence.row_begin * group; pair < sequence.row_end * group; ++pair)
      for (int32_t tile = sequence.tile_begin; tile < sequence.tile_end; ++tile) {
        const auto found = met.find({pair, tile});
        EXPECT_EQ(found == met.end() ? 0 : found->second, 1) << pair << ", " << tile;
      }
}

TEST(CudaTables, DivideTheWorkWithoutGapsOrOverlaps) {
  for (const int multiprocessors : {1, 3, 132}) {
    for (const int window : {0, 100}) {
      AttentionScene scene({.heads = 6, .head_dim = 64, .window = window});
      scene.add({.length = 1500, .rows = {1499}, .shifts = {0, 3}}, 1);
      scene.add({.length = 700, .rows = positions_from(500, 200)}, 2);
      scene.add({.length = 90, .rows = {2, 60, 89}, .stored = false}, 3);
      expect_cover(scene, multiprocessors);
    }
  }
}

TEST(CudaTables, GiveEachPartRoomForItsResults) {
  AttentionScene scene({.heads = 8, .head_dim = 128});
  scene.add({.length = 6000, .rows = {5999}}, 1);
  scene.add({.length = 2000, .rows = positions_from(1990, 10)}, 2);

  const CudaTables tables = tables_of(scene);

  std::set<int32_t> used;
  for (const auto* tasks : {&tables.row_tasks, &tables.tile_tasks})
    for (const AttentionTask& task : *tasks)
      for (int32_t i = 0; task.partial >= 0 && i < task.pair_end - task.pair_begin; ++i)
        EXPECT_TRUE(used.insert(task.partial + i).second);
  int64_t merged = 0;
  for (const cuda::AttentionMerge& merge : tables.merges)
    merged += int64_t{merge.parts} * (merge.pair_end - merge.pair_begin);
  EXPECT_EQ(static_cast<int64_t>(used.size()), tables.partials);
  EXPECT_EQ(merged, tables.partials);
  ASSERT_FALSE(used.empty());
  EXPECT_EQ(*used.rbegin(), tables.partials - 1);
}

TEST(CudaTables, DivideADecodedRowOverTheWholeDevice) {
  AttentionScene scene({.heads = 32, .kv_heads = 8, .head_dim = 128});
  scene.add({.length = 32768, .rows = {32767}}, 1);

  const CudaTables tables = tables_of(scene);

  EXPECT_GE(tables.row_tasks.size() * 8, 132U);
  EXPECT_TRUE(tables.tile_tasks.empty());
}

TEST(CudaTables, TakeTheTensorCoresForManyRowsAlone) {
  for (const auto& [type, head_dim, tiles] :
       std::vector<std::tuple<DType, int, bool>>{{DType::f16, 64, true},
                                                 {DType::bf16, 128, true},
                                                 {DType::q8, 80, true},
                                                 {DType::f32, 64, false},
                                                 {DType::f16, 72, false}}) {
    AttentionScene scene({.heads = 4, .head_dim = head_dim, .type = type});
    scene.add({.length = 99, .rows = positions_from(50, 49)}, 1);
    const CudaTables tables = tables_of(scene);
    EXPECT_EQ(tables.tile_tasks.empty(), !tiles) << head_dim;
    EXPECT_EQ(tables.row_tasks.empty(), tiles) << head_dim;
  }
}

TEST(CudaTables, AreEmptyForNoRows) {
  AttentionScene scene({});
  scene.add({.length = 5, .rows = {}}, 1);

  const CudaTables tables = tables_of(scene);

  EXPECT_TRUE(tables.tiles.empty());
  EXPECT_TRUE(tables.row_tasks.empty());
  EXPECT_EQ(tables.partials, 0);
}

TEST(CudaTableRoom, GrowsWithTheTablesAndKeepsTheirSizes) {
  AttentionScene few({.heads = 4, .head_dim = 64}), many({.heads = 4, .head_dim = 64});
  few.add({.length = 150, .rows = {149}}, 1);
  many.add({.length = 3000, .rows = {2999}, .shifts = {0, 2, 3, 5}}, 1);
  CudaTables small = tables_of(few), large = tables_of(many);
  const CudaTables before = small;
  CudaTableRoom room;

  room.fill_up(small);
  const CudaTableRoom first = room;
  room.fill_up(large);
  const CudaTableRoom second = room;
  CudaTables again = before;
  room.fill_up(again);

  EXPECT_NE(first, second);
  EXPECT_EQ(room, second);
  EXPECT_EQ(small.tiles.size(), 4U);  // for three
  EXPECT_EQ(again.tiles.size(), large.tiles.size());
  EXPECT_EQ(again.row_tasks.size(), large.row_tasks.size());
  EXPECT_EQ(again.merges.size(), large.merges.size());
  EXPECT_EQ(again.partials, large.partials);
  EXPECT_TRUE(again.tile_tasks.empty());
  for (size_t i = before.row_tasks.size(); i < again.row_tasks.size(); ++i)
    EXPECT_EQ(again.row_tasks[i].pair_begin, again.row_tasks[i].pair_end);
}

TEST(PackedArrays, AlignTheirParts) {
  PackedArrays packed;

  EXPECT_EQ(packed.add(std::vector<int32_t>{1, 2, 3}), 0U);
  EXPECT_EQ(packed.add(std::vector<int32_t>{}), 16U);
  EXPECT_EQ(packed.add(std::vector<double>{1.5}), 16U);
  ASSERT_EQ(packed.bytes().size(), 24U);
  EXPECT_EQ(*reinterpret_cast<const double*>(packed.bytes().data() + 16), 1.5);
}

}  // namespace
}  // namespace kvs::test
