#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "support/attention_run.h"
#include "support/attention_scene.h"
#include "support/level_test.h"
#include "support/reference_attention.h"

namespace kvs::test {
namespace {

constexpr double kTolerance = 5e-6;  // of sums of products in f32 whose results are below 2

class Attention : public LevelTest {
 protected:
  std::vector<float> run(const SceneBatch& batch, int threads = 1) const {
    return run_attention(*GetParam().kernels, batch, threads);
  }

  void expect_reference(const AttentionScene& scene, int threads = 1) const {
    const std::vector<float> got = run(scene.batch(), threads);
    const std::vector<double> want = reference_attention(scene.batch());
    ASSERT_EQ(got.size(), want.size());
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const double error = std::abs(got[i] - want[i]);
      worst = error <= worst ? worst : error;  // NaN becomes the worst
    }
    EXPECT_LT(worst, kTolerance);
  }

  void expect_every_shape(DType type) const;
};
INSTANTIATE_TEST_SUITE_P(At, Attention, testing::ValuesIn(test_levels()), level_test_name);

bool equal_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// Prefill from nothing, a decoded row over shifted runs, scattered rows as in a repair, and
/// queries over a cache that has their positions already.
void add_mixed_sequences(AttentionScene& scene) {
  scene.add({.length = 67, .rows = positions_from(0, 67)}, 1);
  scene.add({.length = 131, .rows = {130}, .shifts = {0, 5, -7, 200}, .longest_run = 40}, 2);
  scene.add({.length = 190, .rows = {3, 64, 65, 100, 127, 189}, .shifts = {0, -3}}, 3);
  scene.add({.length = 80, .rows = {20, 79}, .longest_run = 9, .stored = false}, 4);
}

void Attention::expect_every_shape(DType type) const {
  for (const int head_dim : {8, 16, 24, 32, 64, 80, 96, 128}) {
    for (const int group : {1, 3, 4, 7, 8}) {
      AttentionScene scene({.heads = 2 * group, .head_dim = head_dim, .type = type});
      add_mixed_sequences(scene);
      SCOPED_TRACE("head_dim " + std::to_string(head_dim) + ", group " + std::to_string(group));
      expect_reference(scene);
    }
  }
}

TEST_P(Attention, MatchesTheDefinitionOnF16) {
  expect_every_shape(DType::f16);
}
TEST_P(Attention, MatchesTheDefinitionOnBf16) {
  expect_every_shape(DType::bf16);
}
TEST_P(Attention, MatchesTheDefinitionOnF32) {
  expect_every_shape(DType::f32);
}
TEST_P(Attention, MatchesTheDefinitionOnQ8) {
  expect_every_shape(DType::q8);
}

TEST_P(Attention, DoesNothingForNoRows) {
  AttentionScene scene({});
  scene.add({.length = 5, .rows = {}}, 1);

  EXPECT_TRUE(run(scene.batch()).empty());
}

TEST_P(Attention, ReadsASequenceOfOneRow) {
  AttentionScene scene({.heads = 3, .kv_heads = 1, .head_dim = 64});
  scene.add({.length = 1, .rows = {0}}, 1);

  expect_reference(scene);
}

TEST_P(Attention, ReadsHundredsOfRunsWithAsManyShifts) {
  const std::vector<int32_t> shifts = positions_from(-150, 300);
  for (const int longest_run : {1, 3, 64}) {
    AttentionScene scene({.heads = 6, .head_dim = 16, .seed = 3});
    scene.add(
        {.length = 300, .rows = {290, 293, 299}, .shifts = shifts, .longest_run = longest_run}, 1);
    scene.add({.length = 310,
               .rows = positions_from(250, 60),
               .shifts = shifts,
               .longest_run = longest_run},
              2);

    expect_reference(scene);
  }
}

TEST_P(Attention, HonoursTheWindow) {
  for (const int window : {1, 2, 63, 64, 65, 100, 700}) {
    AttentionScene scene({.heads = 4, .head_dim = 16, .window = window});
    add_mixed_sequences(scene);
    scene.add({.length = 700, .rows = {5, 300, 301, 699}, .shifts = {0, 9}}, 5);

    expect_reference(scene);
    expect_reference(scene, 16);
  }
}

TEST_P(Attention, ReachesPositionsBeyondOneHundredThousand) {
  AttentionScene scene({.heads = 1, .kv_heads = 1});
  scene.add({.length = 140001, .rows = {4, 100000, 140000}, .shifts = {0, 139000, -100000}}, 1);

  expect_reference(scene, 2);
}

TEST_P(Attention, IsTheSameHoweverTheCacheIsCutIntoRuns) {
  AttentionScene whole({.heads = 6, .head_dim = 32, .cut_seed = 1});
  whole.add({.length = 900, .rows = positions_from(870, 30)}, 1);
  const std::vector<float> expected = run(whole.batch());

  for (const int longest_run : {1, 2, 7, 30}) {
    AttentionScene cut({.heads = 6, .head_dim = 32, .cut_seed = 2});
    cut.add({.length = 900, .rows = positions_from(870, 30), .longest_run = longest_run}, 1);
    EXPECT_TRUE(equal_bits(run(cut.batch()), expected)) << "runs of at most " << longest_run;
  }
}

TEST_P(Attention, IsTheSameWhateverElseIsInTheBatch) {
  for (const DType type : {DType::f16, DType::f32, DType::q8}) {
    AttentionScene scene({.heads = 6, .head_dim = 80, .type = type});
    scene.add({.length = 600, .rows = positions_from(0, 600)}, 1);
    scene.add({.length = 300, .rows = positions_from(200, 100), .shifts = {4, 0}}, 2);
    const SceneBatch& batch = scene.batch();
    const std::vector<float> together = run(batch);

    for (const std::vector<size_t>& rows : std::vector<std::vector<size_t>>{
             {0}, {1}, {63}, {64}, {255, 256}, {511}, {3, 95, 400, 599}, {598, 599, 600, 699}}) {
      const std::vector<float> alone = run(batch.only(rows));
      for (size_t i = 0; i < rows.size(); ++i) {
        const float* from_all = together.data() + rows[i] * batch.width();
        const float* from_some = alone.data() + i * batch.width();
        EXPECT_EQ(std::memcmp(from_all, from_some, batch.width() * sizeof(float)), 0) << rows[i];
      }
    }
  }
}

TEST_P(Attention, IsTheSameForAnyNumberOfThreads) {
  AttentionScene scene({.heads = 9, .kv_heads = 3, .head_dim = 64});
  scene.add({.length = 2049, .rows = {2048}, .shifts = {0, 3}}, 1);
  scene.add({.length = 6000, .rows = {10, 700, 5990, 5999}}, 2);
  const std::vector<float> expected = run(scene.batch(), 1);

  for (const int threads : {2, 3, 16}) {
    EXPECT_TRUE(equal_bits(run(scene.batch(), threads), expected)) << threads << " threads";
  }
}

TEST_P(Attention, KeepsSixteenThreadsBusyWithOneRow) {
  AttentionScene scene({.heads = 9, .kv_heads = 3, .head_dim = 64});
  scene.add({.length = 2048, .rows = {2047}}, 1);

  const CpuBatchPlan plan(scene.batch().layout, scene.batch().config, 16);

  EXPECT_GE(plan.tasks().tasks.size(), 16U);
}

/// `count` rows of contents that do not depend on their positions, stored in f32 for positions from
/// `home` on, then attended to where they stand from `place` on by a query right behind them. What
/// comes before them is outside the window.
class MovedRows {
 public:
  MovedRows(const cpu::Kernels& kernels, int32_t home) : kernels_(kernels), home_(home) {
    batch_.config.heads = batch_.config.kv.kv_heads = 1;
    batch_.config.kv = {2, 1, 16, DType::f32};
    batch_.config.window = kCount + 1;
    for (int i = 0; i < 8; ++i) {
      batch_.config.inverse_frequencies.push_back(std::pow(10000.0, -i / 8.0));
    }
    block_.resize(2 * batch_.config.kv.block_bytes());
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < kCount * batch_.qkv_width(); ++i) batch_.qkv.push_back(normal(random));
    look_from(home);
    for (int32_t i = 0; i < kCount; ++i) {
      batch_.layout.rows.push_back({0, home + i, block_.data(), i});
    }
    run_write_kv(kernels, batch_);
  }

  std::vector<float> attend(int32_t place) {
    look_from(place);
    batch_.layout.rows = {{0, place + kCount, nullptr, 0}};
    batch_.qkv.resize(batch_.qkv_width());
    return run_attention(kernels_, batch_);
  }

 private:
  static constexpr int32_t kCount = 60;

  void look_from(int32_t place) {
    std::byte* unused = block_.data() + batch_.config.kv.block_bytes();
    BatchSequence view;
    for (int32_t position = 0; position < place; position += kBlockTokens) {
      view.runs.push_back({unused, 0, std::min(kBlockTokens, place - position), position, 0});
    }
    view.runs.push_back({block_.data(), 0, kCount, place, place - home_});
    view.runs.push_back({unused, 0, 1, place + kCount, 0});
    batch_.layout.sequences = {view};
  }

  const cpu::Kernels& kernels_;
  int32_t home_;
  SceneBatch batch_;
  std::vector<std::byte> block_;
};

TEST_P(Attention, SeesAMovedKeyAsOneComputedInThatPlace) {
  const cpu::Kernels& kernels = *GetParam().kernels;
  for (const auto& [home, place] : std::vector<std::pair<int32_t, int32_t>>{
           {0, 1}, {1, 0}, {17, 1000}, {5000, 3}, {0, 130000}, {130000, 64}}) {
    MovedRows moved(kernels, home), computed(kernels, place);

    const std::vector<float> got = moved.attend(place), want = computed.attend(place);

    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-6) << home;
  }
}

}  // namespace
}  // namespace kvs::test
