#include "backend/cpu_batch_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/attention_scene.h"

namespace kvs::test {
namespace {

TEST(CpuBatchPlan, GivesSixteenThreadsWorkForOneRow) {
  AttentionScene scene({.heads = 9, .kv_heads = 3, .head_dim = 64});
  scene.add({.length = 2048, .rows = {2047}}, 1);

  const CpuBatchPlan plan(scene.batch().layout, scene.batch().config, 16);

  EXPECT_GE(plan.tasks().tasks.size(), 16U);
  EXPECT_EQ(plan.tasks().merges.size(), 3U);
}

TEST(CpuBatchPlan, DividesNothingForOneThread) {
  AttentionScene scene({.heads = 9, .kv_heads = 3, .head_dim = 64});
  scene.add({.length = 2048, .rows = {2047}}, 1);

  const CpuBatchPlan plan(scene.batch().layout, scene.batch().config, 1);

  EXPECT_EQ(plan.tasks().tasks.size(), 3U);
  EXPECT_TRUE(plan.tasks().merges.empty());
}

TEST(CpuBatchPlan, CoversEveryRowAndChunkOnce) {
  AttentionScene scene({.heads = 4, .kv_heads = 2});
  scene.add({.length = 1500, .rows = positions_from(1100, 400)}, 1);
  scene.add({.length = 700, .rows = {30, 699}}, 2);

  const CpuBatchPlan plan(scene.batch().layout, scene.batch().config, 3);

  std::vector<int> chunks(402);
  for (const cpu::AttentionTask& task : plan.tasks().tasks) {
    for (int32_t row = task.row_begin; row < task.row_end; ++row) {
      chunks[static_cast<size_t>(row)] += task.chunk_end - task.chunk_begin;
    }
  }
  for (size_t row = 0; row < chunks.size(); ++row) {
    const int32_t position = scene.batch().layout.rows[row].position;
    EXPECT_GE(chunks[row], 2 * (cpu::chunk_of_tile(position / 64) + 1)) << row;
  }
}

TEST(CpuBatchPlan, KeepsAnglesExactFarOut) {
  AttentionScene scene({.heads = 1, .kv_heads = 1, .head_dim = 8});
  scene.add({.length = 5, .rows = {4}, .shifts = {-2000000, 3000000}, .longest_run = 1}, 1);

  const CpuBatchPlan plan(scene.batch().layout, scene.batch().config, 1);

  const cpu::AttentionCall call = plan.attention_call(0);
  const auto& runs = scene.batch().layout.sequences[0].runs;
  for (int element = 0; element < 4; ++element) {
    const double frequency = scene.batch().config.inverse_frequencies[element];
    const double angle = (4.0 - runs[0].shift) * frequency;
    const double* row = call.row_angles;
    const double* shift = call.shift_angles;
    EXPECT_NEAR(row[element] * shift[element] + row[4 + element] * shift[4 + element],
                std::cos(angle), 1e-8);
    EXPECT_NEAR(row[4 + element] * shift[element] - row[element] * shift[4 + element],
                std::sin(angle), 1e-8);
  }
}

TEST(CpuBatchPlan, KnowsTheChunkOfEveryTile) {
  for (int tile = 0; tile < 5000; ++tile) {
    const int chunk = cpu::chunk_of_tile(tile);
    EXPECT_LE(cpu::chunk_first_tile(chunk), tile);
    EXPECT_GT(cpu::chunk_first_tile(chunk + 1), tile);
  }
}

}  // namespace
}  // namespace kvs::test
