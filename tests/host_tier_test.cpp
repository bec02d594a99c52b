#include <gtest/gtest.h>

#include "engine/blob_store.h"
#include "support/tier_scene.h"

namespace kvs::test {
namespace {

class HostTier : public TierScene {
 protected:
  static TierOptions options(int64_t bytes = 1 << 30) {
    return {.host_bytes = bytes, .first_look_ms = kLong, .load_ms = kLong};
  }
  static TierState state(const Process& process) { return process.store.tiers().at(0); }
};

TEST_F(HostTier, BringsBackWhatThePoolGaveUp) {
  const auto first = process(options());
  const int64_t texts = 2 + kBlocks * kBlockTokens / 600;
  for (int64_t seed = 1; seed <= texts; ++seed) {
    add(*first, "a", seed);
    finish(*first);
  }

  for (int turn = 0; turn < 2; ++turn)
    for (int64_t seed = 1; seed <= texts; ++seed) expect_found(*first, "a", seed);

  EXPECT_LT(first->store.size(), texts);
  EXPECT_EQ(state(*first).name, "host");
  EXPECT_EQ(state(*first).written, texts);
  EXPECT_GT(state(*first).hits, texts);
  EXPECT_EQ(state(*first).lost, 0);
}

TEST_F(HostTier, KeepsRowsAsTheyAre) {
  const std::unique_ptr<BlobStore> store = make_memory_blobs();
  const BlobName name{.id = Hasher().add("x").digest()};
  const std::vector<std::byte> part(100);
  const auto rows = std::make_shared<const KvRecord>(
      KvRecord{.tokens = {1, 2, 3}, .layers = {{.k = part, .v = part}}});

  EXPECT_EQ(store->shelf()->put(name, rows), 200 + 3 * 4);

  EXPECT_EQ(store->shelf()->get(name), rows);
  store->remove(name);
  EXPECT_EQ(store->shelf()->get(name), nullptr);
  EXPECT_EQ(rows.use_count(), 1);
}

TEST_F(HostTier, CountsTheRowsThemselves) {
  const auto first = process(options());
  add(*first, "a", 1);
  finish(*first);

  const auto rows = std::ssize(text(1));
  EXPECT_GE(state(*first).written_bytes,
            rows * static_cast<int64_t>(layout.token_bytes() + sizeof(int32_t)));
}

TEST_F(HostTier, ShowsTenantsOnlyTheirOwn) {
  const auto first = process(options());
  add(*first, "a", 1);
  finish(*first);

  EXPECT_TRUE(look_up(*first, "b", text(1)).empty());
  expect_found(*first, "a", 1);
}

TEST_F(HostTier, KeepsToItsBytes) {
  const int64_t room = 1000 * static_cast<int64_t>(layout.token_bytes());  // for one of 600 tokens
  const auto first = process(options(room));
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    add(*first, "a", seed);
    finish(*first);
    EXPECT_LE(state(*first).bytes, room);
  }
  EXPECT_EQ(state(*first).donors, 1);
  EXPECT_EQ(state(*first).evicted, 4);
  EXPECT_TRUE(look_up(*first, "a", text(1)).empty());
  expect_found(*first, "a", 5);
}

TEST_F(HostTier, ForgetsWhatIsDeleted) {
  const auto first = process(options());
  add(*first, "a", 1);
  finish(*first);

  const auto forgotten =
      first->store.forget([](const KeptDonor& donor) { return donor.tenant == "a"; });

  ASSERT_FALSE(forgotten.empty());
  EXPECT_EQ(state(*first).donors, 0);
  EXPECT_TRUE(look_up(*first, "a", text(1)).empty());
}

}  // namespace
}  // namespace kvs::test
