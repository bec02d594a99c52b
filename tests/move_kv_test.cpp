#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "support/attention_device_test.h"
#include "support/errors.h"
#include "support/reference_attention.h"

namespace kvs::test {
namespace {

constexpr int kMovedLayer = AttentionScene::kLayer;
constexpr auto kTypes = {DType::f32, DType::f16, DType::bf16, DType::q8};

using Block = std::vector<std::byte>;

/// A cached sequence in runs of several shifts, and the moves that make one run of it.
struct Compaction {
  struct Extents {
    DType type = DType::f16;
    int head_dim = 8, kv_heads = 3;
    int32_t length = 150;
  };
  AttentionScene scene;
  std::vector<Block> targets;
  std::vector<KvMove> moves;
  BatchSequence sequence{};  ///< afterwards

  Compaction(const Extents& extents, std::vector<int32_t> shifts)
      : scene({.heads = 2 * extents.kv_heads,
               .kv_heads = extents.kv_heads,
               .head_dim = extents.head_dim,
               .type = extents.type,
               .cut_seed = run_seed()}) {
    const int32_t length = extents.length;
    scene.add({.length = length,
               .rows = {length / 2, length - 1},
               .shifts = std::move(shifts),
               .stored = false},
              1);
    const KvLayout& kv = scene.batch().config.kv;
    targets.assign(length / kBlockTokens + 1, Block(kv.block_bytes(), std::byte{0xFF}));
    for (int32_t at = 0; at < length; at += kBlockTokens)
      sequence.runs.push_back(
          {targets[at / kBlockTokens].data(), 0, std::min(kBlockTokens, length - at), at, 0});
    for (const KvRun& run : runs()) add(run);
  }

  const std::vector<KvRun>& runs() const { return scene.batch().layout.sequences[0].runs; }

 private:
  void add(const KvRun& run) {
    for (int32_t done = 0; done < run.count;) {
      const int32_t position = run.position + done, slot = position % kBlockTokens;
      const int32_t count = std::min(run.count - done, kBlockTokens - slot);
      moves.push_back({.block = run.block,
                       .target = targets[position / kBlockTokens].data(),
                       .first = run.first + done,
                       .target_first = slot,
                       .count = count,
                       .turn = run.shift});
      done += count;
    }
  }
};

class MoveKv : public AttentionDeviceTest {};
INSTANTIATE_TEST_SUITE_P(On, MoveKv, testing::ValuesIn(test_devices()), device_name);

/// Half a unit of the last place of a type, and what rotation in f32 adds.
void expect_near(DType type, const std::vector<double>& got, const std::vector<double>& want) {
  const double unit = type == DType::f16 ? 0x1p-11 : type == DType::bf16 ? 0x1p-8 : 0;
  const double whole = 2e-6 * (1 + largest(want)) + (type == DType::q8 ? largest(want) / 253 : 0);
  for (size_t d = 0; d < want.size(); ++d)
    ASSERT_NEAR(got[d], want[d], unit * std::abs(want[d]) + whole) << d;
}

TEST_P(MoveKv, RotatesKeysOnAndKeepsValues) {
  size_t turn = run_seed();
  for (const DType type : kTypes)
    for (const int head_dim : {8, 16, 24, 32, 64, 80, 96, 128, 256}) {
      ++turn;
      const Compaction::Extents extents{.type = type,
                                        .head_dim = head_dim,
                                        .kv_heads = std::array{1, 3, 8}[turn % 3],
                                        .length = std::array{150, 1, 65, 64, 33}[turn % 5]};
      SCOPED_TRACE(testing::Message()
                   << dtype_name(type) << ", " << head_dim << ", " << extents.kv_heads << " heads, "
                   << extents.length << " rows");
      Compaction work(extents, {0, 5, -7, 3000});
      const AttentionConfig& config = work.scene.batch().config;
      const KvLayout& kv = config.kv;

      run_move_kv(config, work.moves);

      for (const KvMove& move : work.moves)
        for (int32_t i = 0; i < move.count; ++i)
          for (int head = 0; head < kv.kv_heads; ++head) {
            const int from = move.first + i, to = move.target_first + i;
            const auto key = cached_key(kv, move.block, from, head);
            const std::vector<float> exact(key.begin(), key.end());
            const auto moved = cached_key(kv, move.target, to, head);
            if (move.turn == 0) {
              ASSERT_EQ(moved, key);
            } else {
              expect_near(type, moved,
                          rotated(exact.data(), move.turn, config.inverse_frequencies));
            }
            ASSERT_EQ(cached_value(kv, move.target, to, head),
                      cached_value(kv, move.block, from, head));
          }
    }
}

// Attention over what was moved, where every shift is 0, is attention over what was there.
TEST_P(MoveKv, ChangesNoAttention) {
  for (const DType type : kTypes) {
    Compaction work({.type = type, .head_dim = 64}, {0, 40, -90});
    SceneBatch batch = work.scene.batch();
    const std::vector<double> want = reference_attention(batch);

    run_move_kv(batch.config, work.moves);
    batch.layout.sequences[0] = work.sequence;
    const std::vector<double> got = reference_attention(batch);

    const double bound = type == DType::f32 ? 1e-5 : type == DType::f16 ? 2e-3 : 2e-2;
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], bound) << i;
  }
}

TEST_P(MoveKv, MovesAllLayersAndNothingElse) {
  for (const DType type : kTypes) {
    Compaction work({.type = type}, {0});
    const AttentionConfig& config = work.scene.batch().config;
    const KvLayout& kv = config.kv;
    for (const KvMove& move : work.moves)  // of which scenes fill one layer
      std::memcpy(const_cast<void*>(move.block),
                  static_cast<const std::byte*>(move.block) + kMovedLayer * kv.layer_bytes(),
                  kv.layer_bytes());

    run_move_kv(config, work.moves);

    for (const Block& block : work.targets)
      EXPECT_TRUE(std::equal(block.begin(), block.begin() + kv.layer_bytes(),
                             block.begin() + kMovedLayer * kv.layer_bytes()));
    const Block& last = work.targets[2];
    for (int slot = 150 % kBlockTokens; slot < kBlockTokens; ++slot)
      for (size_t byte = 0; byte < kv.row_bytes(); ++byte)
        EXPECT_EQ(last[kv.value_offset(0, 2) + slot * kv.row_bytes() + byte], std::byte{0xFF});
  }
}

TEST_P(MoveKv, SaysWhatDoesNotFit) {
  Compaction work({}, {0});
  const AttentionConfig& config = work.scene.batch().config;
  work.moves.resize(1);
  work.moves[0].target_first = 60;
  work.moves[0].first = 0;
  work.moves[0].count = 5;

  const Error e = error_of([&] { backend->move_kv(work.moves, config); });

  EXPECT_EQ(e.kind(), ErrorKind::mismatch);
  EXPECT_STREQ(e.what(), "move_kv: 5 rows from 0 to 60 in blocks of 64");
  backend->move_kv({}, config);
}

}  // namespace
}  // namespace kvs::test
