#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "support/disk_tier_scene.h"

// What a process finds that another one left.
namespace kvs::test {
namespace {

TEST_F(DiskTier, LearnsInTheBackgroundWhatItHasNoTimeForAtTheStart) {
  constexpr int kDonors = 50;
  {
    const auto first = process(options());
    for (uint64_t seed = 1; seed <= kDonors; ++seed) {
      add(*first, "a", seed, 100);
      finish(*first);
    }
  }
  const auto before = files();
  TierOptions hasty = options();
  hasty.first_look_ms = 0;
  const auto second = process(hasty);
  EXPECT_LT(state(*second).donors, kDonors);
  while (state(*second).donors < kDonors) second->store.work_on_tiers();
  finish(*second);

  EXPECT_EQ(files(), before);
  expect_found(*second, "a", 1, 100);
  expect_found(*second, "a", kDonors, 100);
}

// The oldest go first, after a restart too, whatever order a folder lists them in.
TEST_F(DiskTier, KeepsTheOrderOfItsDonorsOverARestart) {
  {
    const auto first = process(options());
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      add(*first, "a", seed, 100);
      finish(*first);
      std::this_thread::sleep_for(std::chrono::milliseconds(12));  // files' clocks are coarse
    }
  }
  const auto second = process(options(bytes_on_disk() / 2));
  finish(*second);

  ASSERT_GE(state(*second).donors, 5);
  EXPECT_TRUE(look_up(*second, "a", text(1, 100)).empty());
  for (int64_t newest = 0; newest < state(*second).donors; ++newest)
    expect_found(*second, "a", 20 - newest, 100);
}

}  // namespace
}  // namespace kvs::test
