#include <gtest/gtest.h>

#include <cstring>

#include "support/archive_prompt.h"
#include "support/donor_scene.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

TEST_F(Donors, KeepOnceWhatAnotherOneBeginsWith) {
  DonorStore store(pool);
  const Tokens longer = text(1), shorter(longer.begin(), longer.begin() + 64);

  add(store, "short", "a", shorter);
  add(store, "long", "a", longer);
  add(store, "short again", "a", shorter);

  EXPECT_EQ(store.size(), 1);
  EXPECT_EQ(ids(store, shorter), Ids{"long"});
}

TEST_F(Donors, KeepTheMoreExactRowsOfTheSameText) {
  DonorStore store(pool, {.max_depth = 2});
  const Tokens tokens = text(1);

  store.add("deep", "a", tokens, rows(128, 10), 2);
  store.add("less exact", "a", tokens, rows(128, 5), 1);
  EXPECT_EQ(ids(store, tokens), Ids{"deep"});
  store.add("shallow", "a", tokens, rows(128, 10), 1);
  EXPECT_EQ(ids(store, tokens), Ids{"shallow"});
  add(store, "exact", "a", tokens);
  EXPECT_EQ(ids(store, tokens), Ids{"exact"});
  EXPECT_EQ(store.size(), 1);
}

TEST_F(Donors, HaveApproximateRowsOfTheAllowedDepthOnly) {
  DonorStore store(pool, {.max_depth = 1});

  store.add("one", "a", text(1), rows(128, 40), 1);
  store.add("two", "a", text(2), rows(128, 40), 2);
  store.add("unknown", "a", text(3), rows(128, 40));
  store.add("wrong", "a", text(4), rows(128, 40), 0);

  const auto found = [&](uint64_t seed) {
    const Tokens tokens = text(seed);
    return store.find({.tokens = tokens, .tenant = "a"}).at(0);
  };
  EXPECT_EQ(found(1).tokens.size(), 128u);
  EXPECT_EQ(found(1).exact_rows, 40);
  EXPECT_EQ(found(1).depth, 1);
  EXPECT_EQ(found(2).tokens.size(), 40u);
  EXPECT_EQ(found(2).depth, 0);
  EXPECT_EQ(found(3).tokens.size(), 40u);
  EXPECT_EQ(found(4).tokens.size(), 40u);
}

// Of one group.
TEST_F(Donors, ShowNobodyButTheirOwnerApproximateRows) {
  DonorStore store(pool, {.max_depth = 1});
  const Tokens tokens = text(1), inexact = text(2);
  store.add("ann/1", "group", tokens, rows(128, 40), 1, "ann");
  store.add("ann/2", "group", inexact, rows(128, 0), 1, "ann");
  const auto found = [&](const Tokens& prompt, const std::string& owner) {
    return store.find({.tokens = prompt, .tenant = "group", .owner = owner});
  };

  EXPECT_EQ(found(tokens, "ann").at(0).tokens.size(), 128u);
  EXPECT_EQ(found(tokens, "ann").at(0).depth, 1);
  EXPECT_EQ(found(tokens, "ben").at(0).tokens.size(), 40u);
  EXPECT_EQ(found(tokens, "ben").at(0).depth, 0);
  EXPECT_EQ(found(inexact, "ann").size(), 1u);
  EXPECT_TRUE(found(inexact, "ben").empty());
}

TEST_F(Donors, OfADepthGoIntoAnArchiveWithTheirExactRowsOnly) {
  const TemporaryFolder folder;
  DonorStore store(pool, {.max_depth = 1});
  const Tokens tokens = text(1);
  store.add("one", "a", tokens, rows(128, 64), 1);
  const ReuseDonor donor = store.find({.tokens = tokens, .tenant = "a"}).at(0);
  const ArchiveHeader header{.model = "m", .fingerprint = "f", .layout = layout};

  ArchiveWriter writer(folder.path() / "a.kva", header);
  KvArchiver archiver(writer, "f", KvCodec::raw);
  archiver.add(pool, *donor.view, {.id = "one", .tenant = "a", .tokens = tokens});
  EXPECT_TRUE(archiver.finish().empty());
  writer.finish();
  DonorStore fresh(pool, {.max_depth = 1});
  fresh.preload(folder.path() / "a.kva", header);

  EXPECT_EQ(fresh.find({.tokens = tokens, .tenant = "a"}).at(0).tokens.size(), 64u);
}

TEST_F(Donors, OfATenantWithAnEqualShareStayWhenAnotherNeedsRoom) {
  DonorStore store(pool);
  for (uint64_t seed = 0; seed < 8; ++seed) add(store, "mine", "a", text(seed));
  for (uint64_t seed = 100; seed < 160; ++seed) {
    store.make_room(2);
    add(store, "theirs", "b", text(seed));
  }

  for (uint64_t seed = 0; seed < 8; ++seed) EXPECT_EQ(ids(store, text(seed)), Ids{"mine"}) << seed;
}

TEST_F(Donors, GoWhereSomebodyForgetsThem) {
  DonorStore store(pool);
  for (const char* tenant : {"a", "b"})
    for (uint64_t seed = 0; seed < 3; ++seed) add(store, std::to_string(seed), tenant, text(seed));
  store.pin("a", "0");
  store.keep_conversation({.tokens = text(9), .tenant = "a", .conversation = "c"}, rows(128, 5), 1);

  const auto forgotten = store.forget([](const KeptDonor& donor) {
    return donor.tenant == "a" && (donor.id == "0" || donor.id == "1" || donor.id == "c");
  });

  ASSERT_EQ(forgotten.size(), 1u);
  EXPECT_EQ(forgotten[0].place, "memory");
  EXPECT_EQ(forgotten[0].donors, 3);
  EXPECT_EQ(store.size(), 4);
  EXPECT_TRUE(ids(store, text(0)).empty());
  EXPECT_EQ(ids(store, text(2)), Ids{"2"});
  EXPECT_EQ(ids(store, text(0), "b"), Ids{"0"});
  EXPECT_EQ(pool.blocks_in_use(), 2 * 4);
}

// What holds nothing is all zeros, or the next owner could read it.
TEST_F(Donors, LeaveZeroedBlocksWhenTheyAreForgotten) {
  DonorStore store(pool);
  KvView view = rows(128);
  const std::vector<void*> blocks{view.slot(0).block, view.slot(64).block};
  for (void* block : blocks) std::memset(block, 7, layout.block_bytes());
  store.add("gone", "a", text(1), view);
  view = {};

  store.forget([](const KeptDonor&) { return true; });

  const std::vector<uint8_t> zeros(layout.block_bytes());
  for (const void* block : blocks) EXPECT_EQ(std::memcmp(block, zeros.data(), zeros.size()), 0);
}

TEST_F(Donors, LeaveNothingBehindOfATenantThatHasNoneAnyMore) {
  DonorStore store(pool);
  add(store, "stays", "a", text(1));
  store.pin("a", "stays");
  const int64_t before = store.index_bytes();

  for (int salt = 0; salt < 300; ++salt) {
    const std::string tenant = "salt " + std::to_string(salt);
    store.make_room(2);
    add(store, "goes", tenant, text(2));
    add(store, "nothing", tenant + ", empty", {});
    ids(store, text(2), tenant + ", without donors");
  }
  EXPECT_GT(store.index_bytes(), before);
  store.make_room(pool.max_blocks() - 2);

  EXPECT_EQ(store.size(), 1);
  EXPECT_EQ(store.index_bytes(), before);
}

TEST_F(Donors, ThatAreUsedStayLonger) {
  DonorStore store(pool);
  for (uint64_t seed = 0; seed < 32; ++seed) add(store, std::to_string(seed), "a", text(seed));
  use(store, text(0), "a");
  ids(store, text(1));  // only looked at
  const Tokens second = text(2);
  std::vector<ReuseDonor> hardly = store.find({.tokens = second, .tenant = "a"});
  store.load(hardly.at(0), 1);

  ASSERT_TRUE(store.make_room(6));

  EXPECT_EQ(ids(store, text(0)), Ids{"0"});
  EXPECT_TRUE(ids(store, text(1)).empty());
  EXPECT_TRUE(ids(store, text(2)).empty());
}

TEST_F(Donors, ThatCostMoreForTheirSizeStayLonger) {
  DonorStore store(pool, {.doubling_tokens = 100});
  add(store, "short", "a", text(1, 128));
  add(store, "long", "a", text(2, 640));  // attention makes its rows dear

  ASSERT_TRUE(store.make_room(pool.blocks_left() + 1));

  EXPECT_TRUE(ids(store, text(1, 128)).empty());
  EXPECT_EQ(ids(store, text(2, 640)), Ids{"long"});
}

TEST_F(Donors, ExpireUnlessTheyArePinned) {
  double now = 100;
  DonorStore store(pool, {.time_to_live_s = 60, .clock = [&] { return now; }});
  add(store, "old", "a", text(1));
  add(store, "pinned", "a", text(2));
  ASSERT_TRUE(store.pin("a", "pinned"));
  now = 130;
  add(store, "young", "a", text(3));

  now = 161;

  EXPECT_TRUE(ids(store, text(1)).empty());
  EXPECT_EQ(ids(store, text(2)), Ids{"pinned"});
  EXPECT_EQ(ids(store, text(3)), Ids{"young"});
}

TEST_F(Donors, ExpireThoughNobodyAsks) {
  double now = 100;
  DonorStore store(pool, {.time_to_live_s = 60, .clock = [&] { return now; }});
  add(store, "old", "a", text(1));

  now = 161;
  store.work_on_tiers();

  EXPECT_EQ(store.size(), 0);
}

TEST_F(Donors, ThatArePinnedMakeNoRoomAndTakeHalfOfThePoolAtMost) {
  DonorStore store(pool);
  add(store, "pinned", "a", text(1, 2048));
  add(store, "more", "a", text(2, 64));
  EXPECT_FALSE(store.pin("a", "absent"));
  EXPECT_FALSE(store.pin("b", "pinned"));
  ASSERT_TRUE(store.pin("a", "pinned"));

  const Error error = error_of([&] { store.pin("a", "more"); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(),
               "pinned donors need 33 blocks of KV, expected at most half of the pool's 64");
  EXPECT_FALSE(store.make_room(64));
  EXPECT_EQ(ids(store, text(1, 2048)), Ids{"pinned"});
  EXPECT_TRUE(ids(store, text(2, 64)).empty());
}

TEST_F(Donors, KeepAPinThatALongerTextTakesOver) {
  DonorStore store(pool);
  const Tokens longer = text(1), shorter(longer.begin(), longer.begin() + 64);
  add(store, "short", "a", shorter);
  store.pin("a", "short");
  add(store, "long", "a", longer);

  EXPECT_FALSE(store.make_room(64));

  EXPECT_EQ(ids(store, shorter), Ids{"long"});
}

TEST_F(Donors, AreFoundByEmbeddingWhereTokensPromiseLittle) {
  int embedded = 0;
  DonorStore store(pool);
  store.embed_with([&](std::span<const int32_t> tokens) {  // alike: the first token's parity
    ++embedded;
    return tokens[0] % 2 == 0 ? std::vector<float>{1, 0} : std::vector<float>{0.6F, 0.8F};
  });
  Tokens even = text(1), odd = text(2), other = text(3);
  even[0] = 2, odd[0] = 3, other[0] = 4;
  add(store, "even", "a", even);
  add(store, "odd", "a", odd);
  add(store, "foreign", "b", other);
  ASSERT_EQ(embedded, 3);

  const std::vector<ReuseDonor> found = store.find({.tokens = other, .tenant = "a"});

  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].id, "even");
  EXPECT_NEAR(found[0].similarity, 1, 1e-6);
  EXPECT_EQ(found[1].id, "odd");
  EXPECT_NEAR(found[1].similarity, 0.6, 1e-6);
  EXPECT_EQ(embedded, 4);
  EXPECT_EQ(ids(store, even), Ids{"even"});  // known by its tokens
  EXPECT_EQ(embedded, 4);
}

TEST_F(Donors, AreFoundByTheirTokensWhereNothingCanBeEmbedded) {
  DonorStore store(pool);
  auto kind = ErrorKind::memory;
  store.embed_with([&](std::span<const int32_t>) -> std::vector<float> { fail(kind, "no"); });
  const Tokens first = text(1), other = text(2);
  add(store, "first", "a", first);

  EXPECT_EQ(ids(store, first), Ids{"first"});
  EXPECT_EQ(ids(store, other), Ids{});
  kind = ErrorKind::device;
  EXPECT_THROW(store.find({.tokens = other, .tenant = "a"}), Error);
}

TEST_F(Donors, ConversationsOfOtherTenantsAreOutOfReach) {
  DonorStore store(pool);
  const Tokens tokens = text(1);
  store.keep_conversation({.tokens = tokens, .tenant = "a", .conversation = "chat"}, rows(128, 0),
                          1);

  const auto turns = [&](const std::string& tenant) {
    return store.find({.tokens = tokens, .tenant = tenant, .conversation = "chat"}).size();
  };
  EXPECT_EQ(turns("a"), 1u);
  EXPECT_EQ(turns("b"), 0u);
  EXPECT_TRUE(store.make_room(64));  // a conversation makes room too
  EXPECT_EQ(turns("a"), 0u);
}

}  // namespace
}  // namespace kvs::test
