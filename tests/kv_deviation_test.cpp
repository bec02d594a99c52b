#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "support/attention_device_test.h"
#include "support/errors.h"
#include "support/reference_attention.h"

namespace kvs::test {
namespace {

class KvDeviation : public AttentionDeviceTest {
 protected:
  struct Row {
    const void* block;
    int32_t row, home;
  };
  static std::vector<Row> rows_of(const BatchSequence& sequence) {
    std::vector<Row> rows;
    for (const KvRun& run : sequence.runs)
      for (int32_t i = 0; i < run.count; ++i)
        rows.push_back({run.block, run.first + i, run.position + i - run.shift});
    return rows;
  }

  /// The rows of a scene's two sequences, position by position.
  static std::vector<KvPair> pairs_of(const SceneBatch& batch) {
    const std::vector<Row> rows = rows_of(batch.layout.sequences[0]);
    const std::vector<Row> kept = rows_of(batch.layout.sequences[1]);
    std::vector<KvPair> pairs;
    for (size_t i = 0; i < rows.size(); ++i)
      pairs.push_back({.block = rows[i].block,
                       .kept_block = kept[i].block,
                       .row = rows[i].row,
                       .kept_row = kept[i].row,
                       .home = rows[i].home,
                       .kept_home = kept[i].home});
    return pairs;
  }
};
INSTANTIATE_TEST_SUITE_P(On, KvDeviation, testing::ValuesIn(test_devices()), device_name);

TEST_P(KvDeviation, MatchesTheDefinition) {
  size_t turn = run_seed();
  for (const DType type : {DType::f16, DType::bf16, DType::f32, DType::q8}) {
    for (const int head_dim : {8, 16, 24, 32, 64, 80, 96, 128, 256}) {
      ++turn;
      const int kv_heads = std::array{1, 3, 8}[turn % 3];
      const int group = kGroups[turn % std::size(kGroups)];
      const int32_t length = std::array{70, 1, 5, 131}[turn % 4], last = length - 1;
      SCOPED_TRACE(testing::Message() << dtype_name(type) << ", " << head_dim << ", " << kv_heads
                                      << " heads, " << length << " rows");
      AttentionScene scene({.heads = kv_heads * group,
                            .kv_heads = kv_heads,
                            .head_dim = head_dim,
                            .type = type,
                            .cut_seed = run_seed()});
      scene.add({.length = length, .rows = {last}, .stored = false}, 1);
      scene.add({.length = length, .rows = {last}, .shifts = {0, 5, -7, 3000}, .stored = false}, 2);
      const std::vector<KvPair> pairs = pairs_of(scene.batch());

      const std::vector<float> got = run_kv_deviation(scene.batch(), pairs);

      for (size_t i = 0; i < pairs.size(); ++i) {
        const auto want = reference_kv_deviation(scene.batch().config, pairs[i]);
        for (size_t j = 0; j < 3; ++j)
          ASSERT_NEAR(got[3 * i + j], want[j], 2e-5 * (1 + want[j])) << "row " << i << ", " << j;
      }
    }
  }
}

TEST_P(KvDeviation, IsNothingForARowAndItself) {
  AttentionScene scene({.heads = 2, .kv_heads = 2, .head_dim = 16, .type = DType::q8});
  scene.add({.length = 9, .rows = {8}, .stored = false}, 1);
  scene.add({.length = 9, .rows = {8}, .stored = false}, 1);
  std::vector<KvPair> pairs = pairs_of(scene.batch());
  for (KvPair& pair : pairs) pair = {pair.block, pair.block, pair.row, pair.row, 4, 4};

  EXPECT_EQ(run_kv_deviation(scene.batch(), pairs), std::vector<float>(3 * 9));
  EXPECT_TRUE(run_kv_deviation(scene.batch(), {}).empty());
}

TEST_P(KvDeviation, SaysWhatDoesNotFit) {
  AttentionScene scene({});
  scene.add({.length = 2, .rows = {1}}, 1);
  scene.add({.length = 2, .rows = {1}}, 2);
  std::vector<KvPair> pairs = pairs_of(scene.batch());
  const Buffer out = floats(std::vector<float>(6), {2, 3});

  const auto message = [&](int layer) -> std::string {
    return error_of(
               [&] { backend->kv_deviation(out.tensor(), pairs, scene.batch().config, layer); })
        .what();
  };

  EXPECT_EQ(message(2), "kv_deviation: layer 2 is not in a cache of 2");
  pairs[1].kept_row = 64;
  EXPECT_EQ(message(1), "kv_deviation: row 64 of a block of 64");
  pairs.pop_back();
  EXPECT_EQ(message(1), "kv_deviation: out has shape [2, 3], expected [1, 3]");
}

}  // namespace
}  // namespace kvs::test
