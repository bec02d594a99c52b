#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "support/attention_device_test.h"
#include "support/errors.h"
#include "support/reference_attention.h"

namespace kvs::test {
namespace {

constexpr double kTolerance = 5e-6;  // of sums of products in f32 whose results are below 2

class Attention : public AttentionDeviceTest {
 protected:
  void expect_reference(const AttentionScene& scene) {
    const std::vector<float> got = run_attention(scene.batch());
    const std::vector<double> want = reference_attention(scene.batch());
    ASSERT_EQ(got.size(), want.size());
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const double allowed = tolerance(scene.batch().config.kv) + rounding() * std::abs(want[i]);
      const double error = std::abs(got[i] - want[i]) / allowed;
      worst = error <= worst ? worst : error;  // NaN becomes the worst
    }
    EXPECT_LE(worst, 1);
  }

  /// On CUDA's tensor cores queries and weights have the 11 or 8 bits of the cache's type; values
  /// are below 2 and scores of the order of 1.
  double tolerance(const KvLayout& kv) const {
    const int d = kv.head_dim;
    const bool has_tiles = d == 64 || d == 80 || d == 96 || d == 128;
    if (on_cpu() || kv.type == DType::f32 || !has_tiles) return kTolerance;
    return kv.type == DType::bf16 ? 0x1p-5 : 0x1p-8;
  }

  void expect_every_shape(DType type);
  void expect_any_segments(DType type);
};
INSTANTIATE_TEST_SUITE_P(On, Attention, testing::ValuesIn(test_devices()), device_name);

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

void Attention::expect_every_shape(DType type) {
  for (const int head_dim : {8, 16, 24, 32, 64, 80, 96, 128}) {
    for (const int group : {1, 3, 4, 7, 8}) {
      AttentionScene scene(
          {.heads = 2 * group, .head_dim = head_dim, .type = type, .cut_seed = run_seed()});
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

/// A prompt from its beginning, a decoded row behind `count` segments, half of which were moved to
/// the front and half to the back, and rows of such a text that are repaired.
void add_segments(AttentionScene& scene, int32_t count, int longest_run) {
  const std::vector<int32_t> shifts = positions_from(-count / 2, count);
  std::vector<int32_t> repaired;
  for (int32_t i = 0; i < 18; ++i) repaired.push_back(i * (count + 30) / 18);
  scene.add({.length = 21, .rows = positions_from(0, 21)}, 1);
  scene.add({.length = count + 1, .rows = {count}, .shifts = shifts, .longest_run = longest_run},
            2);
  scene.add({.length = count + 30,
             .rows = std::move(repaired),
             .shifts = shifts,
             .longest_run = longest_run},
            3);
}

// Each run meets other ones of the combinations, lest this takes minutes.
void Attention::expect_any_segments(DType type) {
  size_t turn = run_seed();
  const auto next = [&turn](std::initializer_list<int> choices) {
    return choices.begin()[turn % choices.size()];
  };
  for (const int head_dim : {64, 80, 96, 128}) {
    for (const int group : kGroups) {
      ++turn;
      const int count = next({1, 5, 64, 17, 2, 130, 33, 300, 7}), window = next({0, 1, 65, 0, 200});
      const int longest_run = next({1, 2, 1, 9});
      SCOPED_TRACE(testing::Message()
                   << "head_dim " << head_dim << ", group " << group << ", " << count
                   << " segments of up to " << longest_run << ", window " << window);
      AttentionScene scene({.heads = group,
                            .kv_heads = 1,
                            .head_dim = head_dim,
                            .type = type,
                            .window = window,
                            .cut_seed = run_seed()});
      add_segments(scene, count, longest_run);
      expect_reference(scene);
    }
  }
}

TEST_P(Attention, ReadsAnyNumberOfMovedSegmentsInF16) {
  expect_any_segments(DType::f16);
}
TEST_P(Attention, ReadsAnyNumberOfMovedSegmentsInBf16) {
  expect_any_segments(DType::bf16);
}
TEST_P(Attention, ReadsAnyNumberOfMovedSegmentsInQ8) {
  expect_any_segments(DType::q8);
}

// Small enough for compute-sanitizer: scripts/gpu-check names it.
TEST_P(Attention, UsesTilesOfEveryTypeAndWidth) {
  for (const DType type : {DType::f16, DType::bf16, DType::q8}) {
    for (const int head_dim : {64, 80, 96, 128}) {
      SCOPED_TRACE(testing::Message() << dtype_name(type) << ", " << head_dim);
      AttentionScene scene({.heads = 4, .head_dim = head_dim, .type = type});
      scene.add({.length = 20, .rows = positions_from(0, 20)}, 1);
      scene.add(
          {.length = 150, .rows = positions_from(100, 50), .shifts = {0, 5, -7}, .longest_run = 40},
          2);
      expect_reference(scene);
    }
  }
}

// Rows of both kernels, and results that are merged.
TEST_P(Attention, RoundsOnlyWhatItWritesForAMatrix) {
  for (const DType kv : {DType::f32, DType::f16}) {
    AttentionScene scene({.heads = 4, .head_dim = 64, .type = kv});
    add_mixed_sequences(scene);
    scene.add({.length = 1500, .rows = {1499}}, 5);
    const DType type = input_type(4 * 64);

    const auto got = run_attention(scene.batch(), type);

    EXPECT_TRUE(equal_bits(got, narrowed_to(type, run_attention(scene.batch()))));
  }
}

TEST_P(Attention, DoesNothingForNoRows) {
  AttentionScene scene({});
  scene.add({.length = 5, .rows = {}}, 1);

  EXPECT_TRUE(run_attention(scene.batch()).empty());
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

TEST_P(Attention, LetsRowsShareAPosition) {
  for (const int32_t length : {1, 16, 70, 200}) {
    AttentionScene scene({.heads = 4, .kv_heads = 4, .head_dim = 32, .type = DType::f32});
    const std::vector<int32_t> last(static_cast<size_t>(length), length - 1);
    scene.add({.length = length, .rows = last, .stored = false}, 1);
    scene.add({.length = 5, .rows = {4, 4, 4}, .stored = false}, 2);

    expect_reference(scene);
  }
}

TEST_P(Attention, HonoursTheWindow) {
  for (const int window : {1, 2, 63, 64, 65, 100, 700}) {
    AttentionScene scene({.heads = 4, .head_dim = 16, .window = window});
    add_mixed_sequences(scene);
    scene.add({.length = 700, .rows = {5, 300, 301, 699}, .shifts = {0, 9}}, 5);

    expect_reference(scene);
  }
}

TEST_P(Attention, ReachesPositionsBeyondOneHundredThousand) {
  AttentionScene scene({.heads = 1, .kv_heads = 1});
  scene.add({.length = 140001, .rows = {4, 100000, 140000}, .shifts = {0, 139000, -100000}}, 1);

  expect_reference(scene);
}

TEST_P(Attention, IsTheSameHoweverTheCacheIsCutIntoRuns) {
  AttentionScene whole({.heads = 6, .head_dim = 32, .cut_seed = 1});
  whole.add({.length = 900, .rows = positions_from(870, 30)}, 1);
  const std::vector<float> expected = run_attention(whole.batch());

  for (const int longest_run : {1, 2, 7, 30}) {
    AttentionScene cut({.heads = 6, .head_dim = 32, .cut_seed = 2});
    cut.add({.length = 900, .rows = positions_from(870, 30), .longest_run = longest_run}, 1);
    EXPECT_TRUE(equal_bits(run_attention(cut.batch()), expected))
        << "runs of at most " << longest_run;
  }
}

TEST_P(Attention, IsTheSameWhateverElseIsInTheBatch) {
  for (const DType type : {DType::f16, DType::f32, DType::q8}) {
    AttentionScene scene({.heads = 6, .head_dim = 80, .type = type});
    scene.add({.length = 600, .rows = positions_from(0, 600)}, 1);
    scene.add({.length = 300, .rows = positions_from(200, 100), .shifts = {4, 0}}, 2);
    const SceneBatch& batch = scene.batch();
    const std::vector<float> together = run_attention(batch);

    for (const std::vector<size_t>& rows : std::vector<std::vector<size_t>>{
             {0}, {1}, {63}, {64}, {255, 256}, {511}, {3, 95, 400, 599}, {598, 599, 600, 699}}) {
      const std::vector<float> alone = run_attention(batch.only(rows));
      for (size_t i = 0; i < rows.size(); ++i) {
        const float* from_all = together.data() + rows[i] * batch.width();
        const float* from_some = alone.data() + i * batch.width();
        if (on_cpu()) {
          EXPECT_EQ(std::memcmp(from_all, from_some, batch.width() * sizeof(float)), 0) << rows[i];
          continue;
        }
        // CUDA divides the work by what else there is, and promises no bits.
        const double allowed = 2 * tolerance(batch.config.kv) + rounding();
        for (size_t d = 0; d < batch.width(); ++d)
          ASSERT_NEAR(from_all[d], from_some[d], allowed) << rows[i];
      }
    }
  }
}

TEST_P(Attention, IsTheSameForAnyNumberOfThreads) {
  AttentionScene scene({.heads = 9, .kv_heads = 3, .head_dim = 64});
  scene.add({.length = 2049, .rows = {2048}, .shifts = {0, 3}}, 1);
  scene.add({.length = 6000, .rows = {10, 700, 5990, 5999}}, 2);
  use_threads(1);
  const std::vector<float> expected = run_attention(scene.batch());

  for (const int threads : {2, 5, 16}) {
    use_threads(threads);
    EXPECT_TRUE(equal_bits(run_attention(scene.batch()), expected)) << threads << " threads";
  }
}

/// `count` rows of contents that do not depend on their positions, stored in f32 for positions from
/// `home` on, then attended to where they stand from `place` on by a query right behind them. What
/// comes before them is outside the window.
class MovedRows {
 public:
  static constexpr int32_t kCount = 60;

  explicit MovedRows(int32_t home) : home_(home) {
    batch.config.heads = 1;
    batch.config.kv = {2, 1, 16, DType::f32};
    batch.config.window = kCount + 1;
    for (int i = 0; i < 8; ++i) {
      batch.config.inverse_frequencies.push_back(std::pow(10000.0, -i / 8.0));
    }
    block_.resize(batch.config.kv.block_bytes());
    unused_.resize(batch.config.kv.block_bytes());
    batch.qkv = bf16_noise(kCount * static_cast<int64_t>(batch.qkv_width()), 5);
    look_from(home);
    for (int32_t i = 0; i < kCount; ++i) {
      batch.layout.rows.push_back({0, home + i, block_.data(), i});
    }
  }

  void ask_from(int32_t place) {
    look_from(place);
    batch.layout.rows = {{0, place + kCount, nullptr, 0}};
    batch.qkv.resize(batch.qkv_width());
  }

  SceneBatch batch;

 private:
  void look_from(int32_t place) {
    BatchSequence view;
    for (int32_t position = 0; position < place; position += kBlockTokens) {
      const int32_t count = std::min(kBlockTokens, place - position);
      view.runs.push_back({unused_.data(), 0, count, position, 0});
    }
    view.runs.push_back({block_.data(), 0, kCount, place, place - home_});
    view.runs.push_back({unused_.data(), 0, 1, place + kCount, 0});
    batch.layout.sequences = {view};
  }

  int32_t home_;
  std::vector<std::byte> block_, unused_;
};

TEST_P(Attention, SeesAMovedKeyAsOneComputedInThatPlace) {
  for (const auto& [home, place] : std::vector<std::pair<int32_t, int32_t>>{
           {0, 1}, {1, 0}, {17, 1000}, {5000, 3}, {0, 130000}, {130000, 64}}) {
    MovedRows moved(home), computed(place);
    for (MovedRows* rows : {&moved, &computed}) {
      run_write_kv(rows->batch);
      rows->ask_from(place);
    }

    const std::vector<float> got = run_attention(moved.batch);
    const std::vector<float> want = run_attention(computed.batch);

    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 1e-6 + rounding()) << "from " << home << " to " << place;
    }
  }
}

TEST_P(Attention, SaysWhatDoesNotFit) {
  AttentionScene scene({});
  scene.add({.length = 3, .rows = {1, 2}}, 1);
  const SceneBatch& batch = scene.batch();
  const auto plan = backend->plan_batch(batch.layout, batch.config);
  const Buffer qkv = poisoned({2, 48}), out = poisoned({2, 16}), narrow = poisoned({2, 47});

  const auto message = [&](const Buffer& to, const Buffer& from, int layer) -> std::string {
    return error_of([&] { backend->attention(to.tensor(), from.tensor(), *plan, layer); }).what();
  };

  EXPECT_EQ(message(out, narrow, 0), "attention: qkv has shape [2, 47], expected [2, 48]");
  EXPECT_EQ(message(narrow, qkv, 0), "attention: out has shape [2, 47], expected [2, 16]");
  EXPECT_EQ(message(out, qkv, 2), "attention: layer 2 is not in a cache of 2");
  const Error error = error_of([&] { backend->write_kv(narrow.tensor(), *plan, 1); });
  EXPECT_STREQ(error.what(), "write_kv: qkv has shape [2, 47], expected [2, 48]");
  EXPECT_EQ(error.kind(), ErrorKind::mismatch);
}

}  // namespace
}  // namespace kvs::test
