#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "kvs/archive_reader.h"
#include "support/disk_tier_scene.h"

// What a process finds that another one left.
namespace kvs::test {
namespace {

namespace fs = std::filesystem;

PromptRecord read_prompt(const fs::path& file) {
  ArchiveReader reader(file);
  reader.next();  // the header
  return std::get<PromptRecord>(reader.next()->record);
}

void write_prompt(const fs::path& file, const ArchiveHeader& header, const PromptRecord& prompt) {
  ArchiveWriter writer(file, header, {.table = false});
  writer.add(prompt);
  writer.finish();
}

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

// Of a group, whose donors of an earlier version did not say whose they are.
TEST_F(DiskTier, RemovesWhatIsNobodys) {
  {
    const auto first = process(options());
    add(*first, "group", 1, 600, "ann");
    add(*first, "alone", 2);  // its own
    finish(*first);
  }
  for (const fs::path& file : files("prompt-")) {
    PromptRecord prompt = read_prompt(file);
    EXPECT_EQ(prompt.owner, prompt.tenant == "group" ? "ann" : "alone");
    if (prompt.tenant != "group") continue;
    prompt.owner.clear();
    write_prompt(file, header, prompt);
  }
  const auto second = process(options());
  finish(*second);

  EXPECT_TRUE(look_up(*second, "group", text(1)).empty());
  expect_found(*second, "alone", 2);
  EXPECT_EQ(files("prompt-").size(), 1u);
  EXPECT_EQ(files("rows-").size(), 3u);
  EXPECT_EQ(state(*second).damaged, 0);
}

TEST_F(DiskTier, KeepsTheAgeOfItsDonors) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    finish(*first);
  }
  PromptRecord prompt = read_prompt(files("prompt-").at(0));
  prompt.time -= 6000;
  write_prompt(files("prompt-").at(0), header, prompt);
  double now = 0;
  const auto second = process(options(), {.time_to_live_s = 10'000, .clock = [&] { return now; }});
  expect_found(*second, "a", 1);

  now = 4001;
  second->store.work_on_tiers();

  EXPECT_EQ(second->store.size(), 0);
}

}  // namespace
}  // namespace kvs::test
