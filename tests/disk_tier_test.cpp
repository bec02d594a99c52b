#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/disk_tier_scene.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

namespace fs = std::filesystem;

TEST_F(DiskTier, KeepsDonorsOverARestart) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    add(*first, "a", 2, 256);
    finish(*first);
    EXPECT_EQ(state(*first).written, 2);
    EXPECT_EQ(state(*first).failed_writes, 0);
  }
  const auto second = process(options());

  EXPECT_EQ(state(*second).donors, 2);
  expect_found(*second, "a", 1);
  expect_found(*second, "a", 2, 256);
  EXPECT_EQ(state(*second).hits, 2);
  EXPECT_EQ(state(*second).hit_tokens, 856);
  EXPECT_GT(state(*second).read_bytes, 0);
  EXPECT_TRUE(second->store.take_warnings().empty());
}

TEST_F(DiskTier, IsAskedOnlyForWhatMemoryLacks) {
  const auto first = process(options());
  add(*first, "a", 1);
  finish(*first);
  const Tokens tokens = text(1);
  first->store.add("in memory", "a", tokens, rows(first->pool, 1, 600));

  EXPECT_EQ(look_up(*first, "a", tokens).at(0).id, "in memory");
  EXPECT_EQ(state(*first).hits, 0);
  EXPECT_EQ(state(*first).misses, 1);
}

TEST_F(DiskTier, BringsNothingThatAQuotaHasNoRoomFor) {
  const auto first = process(options());
  add(*first, "a", 1, 600, "owner");
  add(*first, "a", 2, 600, "owner");
  finish(*first);

  first->store.set_quotas({{"owner", 10 * static_cast<int64_t>(layout.block_bytes())}});
  const Tokens tokens = text(1), others = text(2);
  const auto bring = [&](const Tokens& prompt) {
    const DonorLookup lookup{.tokens = prompt, .tenant = "a", .owner = "another"};
    return bring_from_tiers(*first, lookup, {}).size();
  };
  EXPECT_EQ(bring(tokens), 1u);
  EXPECT_EQ(bring(others), 1u);
  EXPECT_EQ(first->store.size(), 1);  // in place of the other one
  EXPECT_EQ(first->store.evictions().quota, 1);

  first->store.set_quotas({{"owner", 9 * static_cast<int64_t>(layout.block_bytes())}});
  EXPECT_EQ(bring(tokens), 0u);
  EXPECT_EQ(state(*first).hits, 2);
}

TEST_F(DiskTier, BringsWhatStandsElsewhereUnlessOnlyPrefixesCount) {
  const auto first = process(options());
  add(*first, "a", 1);
  finish(*first);
  Tokens moved = text(9, 50);
  const Tokens known = text(1);
  moved.insert(moved.end(), known.begin() + 100, known.end());

  EXPECT_TRUE(look_up(*first, "a", moved, {.mode = ReuseMode::exact}).empty());
  EXPECT_TRUE(look_up(*first, "a", moved, {.policy = Policy::prefix}).empty());
  EXPECT_EQ(look_up(*first, "a", moved).size(), 1u);
}

TEST_F(DiskTier, ShowsTenantsOnlyTheirOwn) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    add(*first, "", 2);
    finish(*first);
  }
  const auto second = process(options());

  for (const char* tenant : {"b", "", "a/", "A"})
    EXPECT_TRUE(look_up(*second, tenant, text(1)).empty()) << tenant;
  EXPECT_TRUE(look_up(*second, "a", text(2)).empty());
  EXPECT_EQ(state(*second).hits, 0);
  expect_found(*second, "a", 1);
  expect_found(*second, "", 2);
}

TEST_F(DiskTier, ForgetsWhatItIsToldTo) {
  const auto first = process(options());
  for (uint64_t seed = 1; seed <= 3; ++seed) add(*first, "a", seed);
  add(*first, "b", 1);
  finish(*first);
  add(*first, "a", 4);  // still to be copied

  const auto forgotten =
      first->store.forget([](const KeptDonor& donor) { return donor.tenant == "a"; });
  finish(*first);

  ASSERT_EQ(forgotten.size(), 2u);
  EXPECT_EQ(forgotten[1].place, "disk");
  EXPECT_EQ(forgotten[1].donors, 4);
  EXPECT_TRUE(forgotten[1].reachable);
  EXPECT_EQ(files("prompt").size(), 1u);
  EXPECT_EQ(files("rows").size(), 3u);  // of 256 tokens each
  EXPECT_TRUE(look_up(*first, "a", text(1)).empty());
  expect_found(*first, "b", 1);
  add(*first, "a", 2);
  finish(*first);
  expect_found(*first, "a", 2);
}

TEST_F(DiskTier, ForgetsWhatIsBeingWrittenAndWhatIsOnItsWayBack) {
  const auto all = [](const KeptDonor&) { return true; };
  const auto first = process(options());
  add(*first, "a", 1);
  while (first->store.work_on_tiers()) {
  }
  EXPECT_EQ(first->store.forget(all).at(1).donors, 1);
  finish(*first);
  EXPECT_TRUE(files().empty());

  add(*first, "a", 2);
  finish(*first);
  const Tokens tokens = text(2);
  Prefetch prefetch = first->store.prefetch({.tokens = tokens, .tenant = "a"}, {});
  ASSERT_TRUE(first->store.arriving(prefetch));
  first->store.forget(all);
  EXPECT_FALSE(first->store.arriving(prefetch));
  finish(*first);
  first->store.work_on_tiers();
  EXPECT_EQ(first->store.size(), 0);
  EXPECT_TRUE(files().empty());
}

TEST_F(DiskTier, RefusesFilesOfOneTenantInAnothersFolder) {
  fs::path of_a, of_b;
  {
    const auto first = process(options());
    add(*first, "a", 1);
    finish(*first);
    of_a = files().at(0).parent_path();
    add(*first, "b", 2);
    finish(*first);
    for (const fs::path& file : files())
      if (file.parent_path() != of_a) of_b = file.parent_path();
  }
  for (const auto& file : fs::directory_iterator(of_a))
    fs::copy(file.path(), of_b / file.path().filename());
  const auto second = process(options());

  EXPECT_TRUE(look_up(*second, "b", text(1)).empty());
  EXPECT_EQ(state(*second).damaged, 1);
  expect_found(*second, "a", 1);
  expect_found(*second, "b", 2);
}

TEST_F(DiskTier, StoresCommonBeginningsOnce) {
  const auto first = process(options());
  Tokens one = text(1, 600), other = one;
  other.resize(512);
  const Tokens end = text(2, 100);
  other.insert(other.end(), end.begin(), end.end());
  first->store.add_to_tiers("one", "a", one, rows(first->pool, 1, 600));
  finish(*first);
  EXPECT_EQ(files("rows-").size(), 3u);

  first->store.add_to_tiers("other", "a", other, rows(first->pool, 1, 612));
  finish(*first);
  EXPECT_EQ(files("rows-").size(), 4u);
  EXPECT_EQ(files("prompt-").size(), 2u);
}

TEST_F(DiskTier, LetsLongerTextsTakeThePlaceOfShorterOnes) {
  const auto first = process(options());
  const Tokens whole = text(1, 600);
  for (const int64_t count : {300, 600, 400}) {
    const Tokens tokens(whole.begin(), whole.begin() + count);
    first->store.add_to_tiers("request 1", "a", tokens, rows(first->pool, 1, count));
    finish(*first);
  }

  EXPECT_EQ(state(*first).donors, 1);
  EXPECT_EQ(files("prompt-").size(), 1u);
  EXPECT_EQ(files("rows-").size(), 3u);
  expect_found(*first, "a", 1);
}

TEST_F(DiskTier, HoldsExactRowsOnly) {
  const auto first = process(options(), {.max_depth = 2});
  first->store.add_to_tiers("request 1", "a", text(1), rows(first->pool, 1, 600, 300));
  first->store.add_to_tiers("none", "a", text(2), rows(first->pool, 2, 600, 0));
  finish(*first);

  EXPECT_EQ(state(*first).donors, 1);
  EXPECT_EQ(look_up(*first, "a", text(1)).at(0).tokens.size(), 300u);
}

TEST_F(DiskTier, MissesDamagedFilesAndRemovesThem) {
  {
    const auto first = process(options());
    add(*first, "a", 1, 300);
    finish(*first);
  }
  const std::vector<fs::path> all = files();
  ASSERT_EQ(all.size(), 3u);
  std::vector<std::string> whole;
  for (const fs::path& file : all) {
    std::ifstream in(file, std::ios::binary);
    whole.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  const auto write = [](const fs::path& file, std::string_view content) {
    fs::create_directories(file.parent_path());  // it went with the last of its files
    std::ofstream(file, std::ios::binary) << content;
  };
  for (size_t broken = 0; broken < all.size(); ++broken)
    for (size_t step = 0; step < 24; ++step) {
      for (size_t file = 0; file < all.size(); ++file) write(all[file], whole[file]);
      std::string content = whole[broken];
      const size_t at = step * (content.size() - 1) / 23;
      if (step % 2 == 0)
        content[at] = static_cast<char>(content[at] ^ (1 << (step / 2 % 8)));
      else
        content.resize(at);
      write(all[broken], content);

      const auto second = process(options());
      EXPECT_TRUE(look_up(*second, "a", text(1, 300)).empty()) << all[broken] << " at " << at;
      finish(*second);
      EXPECT_EQ(state(*second).damaged, 1);
      EXPECT_EQ(state(*second).donors, 0);
      EXPECT_EQ(state(*second).bytes, 0);
      EXPECT_EQ(second->store.take_warnings().size(), 1u);
      EXPECT_TRUE(files().empty());
    }
}

TEST_F(DiskTier, WritesDamagedRowsAgain) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    finish(*first);
  }
  for (const fs::path& file : files("rows-")) TemporaryFolder::set_byte(file, 2000, 'x');
  const auto second = process(options());
  EXPECT_TRUE(look_up(*second, "a", text(1)).empty());

  add(*second, "a", 1);
  finish(*second);
  expect_found(*second, "a", 1);
}

TEST_F(DiskTier, MissesDonorsWhoseFilesAreGone) {
  const auto first = process(options());
  add(*first, "a", 1);
  finish(*first);
  fs::remove(files("rows-").at(1));

  EXPECT_TRUE(look_up(*first, "a", text(1)).empty());
  finish(*first);
  EXPECT_EQ(state(*first).lost, 1);
  EXPECT_EQ(state(*first).donors, 0);
  EXPECT_TRUE(files().empty());
}

TEST_F(DiskTier, RemovesWhatAKilledProcessLeft) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    finish(*first);
  }
  const fs::path group = files().at(0).parent_path();
  std::ofstream(group / "rows-00.kva.123-0.part") << "half";
  fs::copy(files("rows-").at(0), group / ("rows-" + std::string(32, '7') + ".kva"));
  const size_t before = files().size();
  {
    const auto second = process(options());
    finish(*second);
    EXPECT_EQ(files().size(), before - 2);
    expect_found(*second, "a", 1);
  }
  fs::remove(files("prompt-").at(0));
  const auto third = process(options());
  finish(*third);
  EXPECT_TRUE(files().empty());
}

// Each cache_salt has a folder.
TEST_F(DiskTier, LeavesNoFolderOfATenantThatHasNothing) {
  {
    const auto first = process(options());
    for (uint64_t seed = 1; seed <= 3; ++seed)
      add(*first, "salt " + std::to_string(seed), seed, 100);
    finish(*first);
    EXPECT_EQ(folders(), 3);
    first->store.forget([](const KeptDonor& donor) { return donor.tenant == "salt 1"; });
    finish(*first);
    EXPECT_EQ(folders(), 2);
  }
  const fs::path model = files().at(0).parent_path().parent_path();
  const fs::path killed = model / std::string(32, '7');
  fs::create_directory(killed);
  std::ofstream(killed / "rows-00.kva.123-0.part") << "half";
  fs::create_directory(model / "somebody else's");
  const auto second = process(options());

  EXPECT_FALSE(fs::exists(killed));
  EXPECT_EQ(folders(), 3);
  expect_found(*second, "salt 2", 2, 100);
}

TEST_F(DiskTier, KeepsModelsApart) {
  {
    const auto first = process(options());
    add(*first, "a", 1);
    finish(*first);
  }
  header.fingerprint = "g";
  {
    const auto second = process(options());
    EXPECT_TRUE(look_up(*second, "a", text(1)).empty());
  }
  header.fingerprint = "f";
  const auto third = process(options());
  expect_found(*third, "a", 1);
}

TEST_F(DiskTier, IsOfOneProcessAtATime) {
  const auto first = process(options());
  const Error error = error_of([&] { process(options()); });
  EXPECT_EQ(error.kind(), ErrorKind::io);
  EXPECT_NE(std::string(error.what()).find("another process uses it"), std::string::npos);
}

// Short spans in common have no fingerprint; only the embeddings are alike.
TEST_F(DiskTier, FindsByEmbedding) {
  const auto embed = [](std::span<const int32_t>) { return std::vector<float>{0.6F, 0.8F}; };
  TierOptions tiers = options();
  tiers.embedder = "test";
  {
    Process first(*backend, layout);
    first.store.embed_with(embed);
    first.store.open_tiers(tiers, header);
    add(first, "a", 1);
    finish(first);
  }
  Tokens prompt;
  const Tokens known = text(1), other = text(5);
  for (int64_t first = 0; first < 400; first += 40) {
    prompt.insert(prompt.end(), other.begin() + first, other.begin() + first + 26);
    prompt.insert(prompt.end(), known.begin() + first, known.begin() + first + 14);
  }
  const ReuseOptions short_runs{.min_span = 8};
  EXPECT_TRUE(look_up(*process(tiers), "a", prompt, short_runs).empty());
  Process second(*backend, layout);
  second.store.embed_with(embed);
  second.store.open_tiers(tiers, header);
  const std::vector<ReuseDonor> found = look_up(second, "a", prompt, short_runs);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_GT(found[0].similarity, 0.99);
  EXPECT_TRUE(look_up(second, "b", prompt).empty());
}

}  // namespace
}  // namespace kvs::test
