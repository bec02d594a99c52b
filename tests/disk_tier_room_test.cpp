#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

#include "support/disk_tier_scene.h"

// Whose donors go where a disk has too little room for all, and when.
namespace kvs::test {
namespace {

TEST_F(DiskTier, KeepsWithinItsSize) {
  constexpr int64_t kLimit = 2'000'000;  // of about 620,000 bytes a donor
  {
    const auto first = process(options(kLimit));
    for (uint64_t seed = 1; seed <= 8; ++seed) {
      add(*first, "a", seed);
      finish(*first);
      EXPECT_LE(bytes_on_disk(), kLimit);
      EXPECT_LE(state(*first).bytes, kLimit);
    }
    EXPECT_EQ(state(*first).donors, 3);
    EXPECT_EQ(state(*first).evicted, 5);
    expect_found(*first, "a", 8);
    EXPECT_TRUE(look_up(*first, "a", text(1)).empty());
  }
  const auto less = process(options(700'000));
  finish(*less);
  EXPECT_EQ(state(*less).donors, 1);
  EXPECT_LE(bytes_on_disk(), 700'000);
  const auto before = files();
  add(*less, "a", 9, 2000);  // does not fit at all
  finish(*less);
  EXPECT_EQ(state(*less).failed_writes, 1);
  EXPECT_EQ(files(), before);
}

TEST_F(DiskTier, TakesFromWhoHoldsTheMost) {
  const auto first = process(options(2'600'000));
  add(*first, "small", 1);
  finish(*first);
  for (uint64_t seed = 2; seed <= 9; ++seed) {
    add(*first, "large", seed);
    finish(*first);
  }
  expect_found(*first, "small", 1);
}

// However many folders it has, after a restart too.
TEST_F(DiskTier, CountsWhatATenantKeepsApartTogether) {
  constexpr int64_t kLimit = 2'600'000;  // of about 620,000 bytes a donor
  {
    const auto first = process(options(kLimit));
    add(*first, "modest", 1, 600, "modest");
    add(*first, "modest 2", 2, 600, "modest");
    finish(*first);
    for (uint64_t seed = 3; seed <= 5; ++seed) {
      add(*first, "salt " + std::to_string(seed), seed, 600, "large");
      finish(*first);
    }
    EXPECT_EQ(state(*first).donors, 4);
  }
  const auto second = process(options(kLimit));
  for (uint64_t seed = 6; seed <= 9; ++seed) {
    add(*second, "salt " + std::to_string(seed), seed, 600, "large");
    finish(*second);
  }
  expect_found(*second, "modest", 1);
  expect_found(*second, "modest 2", 2);
}

// Whoever has them brought back: or a member of a group would hold what it never sent.
TEST_F(DiskTier, KeepsWhoseDonorsAre) {
  {
    const auto first = process(options());
    add(*first, "group", 1, 600, "ann");
    finish(*first);
  }
  const auto second = process(options());
  const Tokens tokens = text(1);
  second->store.publish_by({.holders = 2, .takes_part = [](std::string_view) { return true; }});
  const auto common = [&](const std::string& owner) {
    return second->store.find_common({.tokens = tokens, .tenant = "any", .owner = owner}).size();
  };
  ASSERT_EQ(
      bring_from_tiers(*second, {.tokens = tokens, .tenant = "group", .owner = "ben"}, {}).size(),
      1u);

  EXPECT_EQ(common("ann"), 0u);
  EXPECT_EQ(common("ben"), 1u);
}

// Neither requests nor what is there already suffer.
TEST_F(DiskTier, GoesOnWhereTheDiskIsFull) {
  const auto first = process(options());
  add(*first, "a", 1, 100);
  finish(*first);
  const auto before_it = files();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit little = before;
  little.rlim_cur = 64 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &little), 0);
  add(*first, "a", 2);
  add(*first, "a", 3);
  finish(*first);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);

  EXPECT_EQ(state(*first).failed_writes, 2);
  const std::vector<std::string> warnings = first->store.take_warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("File too large; going on without it"), std::string::npos);
  finish(*first);
  EXPECT_EQ(files(), before_it);
  expect_found(*first, "a", 1, 100);
  EXPECT_TRUE(look_up(*first, "a", text(2)).empty());
  add(*first, "a", 4, 50);  // takes the place of another one
  finish(*first);
  EXPECT_EQ(state(*first).donors, 1);
  expect_found(*first, "a", 4, 50);
}

TEST_F(DiskTier, ForgetsWhatIsTooOld) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    finish(*first);
  }
  const auto second = process(options(), {.time_to_live_s = 1e-9});
  finish(*second);

  EXPECT_TRUE(look_up(*second, "a", text(1)).empty());
  EXPECT_TRUE(files().empty());
}

TEST_F(DiskTier, ForgetsWhatIsTooOldThoughNobodyAsks) {
  const auto first = process(options(), {.time_to_live_s = 0.5});
  add(*first, "a", 1);
  finish(*first);
  while (state(*first).evicted == 0) {
    first->store.work_on_tiers();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  finish(*first);

  EXPECT_EQ(state(*first).donors, 0);
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace kvs::test
