// Removing, pinning, expiring and merging donors, and structures for many of them.
#include <gtest/gtest.h>

#include <algorithm>

#include "support/errors.h"
#include "support/index_sample.h"
#include "support/temporary_folder.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;
using test::build;
using test::direction;
using test::error_of;
using test::ids;
using test::prompt;
using test::text;
using test::write_archive;
using Ids = std::vector<std::string>;

int64_t remove(const fs::path& folder, const DonorSelection& which) {
  DonorIndexWriter writer(folder, {.mode = IndexMode::change});
  const int64_t count = writer.remove(which);
  writer.commit();
  return count;
}

int64_t pin(const fs::path& folder, const DonorSelection& which, bool pinned = true) {
  DonorIndexWriter writer(folder, {.mode = IndexMode::change});
  const int64_t count = writer.pin(which, pinned);
  writer.commit();
  return count;
}

// Those of the donors p<first> ... p<last> that are found both by their text and their embedding.
Ids found(const fs::path& folder, uint64_t first, uint64_t last, std::string_view tenant = "") {
  const DonorIndex index(folder);
  Ids all;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const std::string id = "p" + std::to_string(seed);
    const Ids by_text = ids(index.search({.tokens = text(seed), .tenant = tenant}));
    const Ids by_embedding = ids(index.search(
        {.embedding = direction(seed), .tenant = tenant, .limit = 1, .min_similarity = 0.999}));
    const Ids structures = index.info().structures;
    EXPECT_EQ(by_text, by_embedding) << (structures.empty() ? "" : structures[0]);
    if (by_text == Ids{id}) all.push_back(id);
  }
  return all;
}

struct TwoArchives {
  TwoArchives() {
    std::vector<PromptRecord> first = {prompt(1, "x"), prompt(2, "x"), prompt(3, "y")};
    for (PromptRecord& one : first) one.time = 1000;
    std::vector<PromptRecord> second = {prompt(4, "x"), prompt(5, "y")};
    for (PromptRecord& one : second) one.time = 2000;
    build(index, {write_archive(folder.path() / "a.kva", first),
                  write_archive(folder.path() / "b.kva", second)});
  }
  test::TemporaryFolder folder;
  fs::path index = folder.path() / "i";
};

TEST(DonorIndexChange, RemovesByIdTenantAndArchive) {
  const TwoArchives by_id, by_tenant, by_archive, by_both;

  EXPECT_EQ(remove(by_id.index, {.ids = {"p2", "p5", "p9"}}), 2);
  EXPECT_EQ(remove(by_tenant.index, {.tenants = {"y"}}), 2);
  EXPECT_EQ(remove(by_archive.index, {.archives = {by_archive.folder.path() / "a.kva"}}), 3);
  EXPECT_EQ(remove(by_both.index, {.tenants = {"x"}, .archives = {"../b.kva"}}), 1);

  EXPECT_EQ(found(by_id.index, 1, 5, "x"), (Ids{"p1", "p4"}));
  EXPECT_EQ(found(by_id.index, 1, 5, "y"), Ids{"p3"});
  EXPECT_EQ(found(by_tenant.index, 1, 5, "x"), (Ids{"p1", "p2", "p4"}));
  EXPECT_EQ(found(by_tenant.index, 1, 5, "y"), Ids{});
  EXPECT_EQ(DonorIndex(by_tenant.index).info().tenants, 1);
  EXPECT_EQ(found(by_archive.index, 1, 5, "x"), Ids{"p4"});
  EXPECT_EQ(DonorIndex(by_archive.index).info().archives.size(), 1u);
  EXPECT_EQ(found(by_both.index, 1, 5, "x"), (Ids{"p1", "p2"}));
}

TEST(DonorIndexChange, ExpiresWhatIsOldAndNotPinned) {
  const TwoArchives scene;
  EXPECT_EQ(pin(scene.index, {.ids = {"p2"}}), 1);
  EXPECT_EQ(DonorIndex(scene.index).info().pinned, 1);

  EXPECT_EQ(remove(scene.index, {.before = 1000, .pinned = false}), 0);
  EXPECT_EQ(remove(scene.index, {.before = 1500, .pinned = false}), 2);

  EXPECT_EQ(found(scene.index, 1, 5, "x"), (Ids{"p2", "p4"}));
  EXPECT_EQ(found(scene.index, 1, 5, "y"), Ids{"p5"});
  EXPECT_EQ(pin(scene.index, {.ids = {"p2"}}, false), 1);
  EXPECT_EQ(remove(scene.index, {.before = 1500, .pinned = false}), 1);
  EXPECT_EQ(found(scene.index, 1, 5, "x"), Ids{"p4"});
}

TEST(DonorIndexChange, KeepsThePinOfADonorThatIsReplaced) {
  const TwoArchives scene;
  pin(scene.index, {.ids = {"p2"}});

  build(scene.index, {write_archive(scene.folder.path() / "c.kva", {prompt(2, "x")})}, true);

  EXPECT_EQ(DonorIndex(scene.index).info().pinned, 1);
  EXPECT_EQ(DonorIndex(scene.index).info().donors, 5);
}

TEST(DonorIndexChange, WritesOnlyWhatAPinChanges) {
  const TwoArchives scene;

  pin(scene.index, {.ids = {"p2"}});

  EXPECT_TRUE(fs::exists(scene.index / "donors.2"));
  EXPECT_FALSE(fs::exists(scene.index / "donors.1"));
  EXPECT_TRUE(fs::exists(scene.index / "fingerprints.1"));
  EXPECT_TRUE(fs::exists(scene.index / "vectors.1"));
  EXPECT_EQ(found(scene.index, 1, 5, "x"), (Ids{"p1", "p2", "p4"}));
}

TEST(DonorIndexChange, DeletesCopiesThatNoDonorComesFrom) {
  const TwoArchives scene;
  {
    DonorIndexWriter writer(scene.index);
    writer.add_copy(scene.folder.path() / "a.kva");
    writer.add_copy(scene.folder.path() / "b.kva");
    writer.commit();
  }
  remove(scene.index, {.ids = {"p1", "p4", "p5"}});

  std::vector<std::string> copies;
  for (const auto& entry : fs::directory_iterator(scene.index / "archives"))
    copies.push_back(entry.path().filename().string().substr(0, 2));

  EXPECT_EQ(copies, Ids{"a-"});
  EXPECT_TRUE(fs::exists(scene.folder.path() / "b.kva"));  // not its own
  EXPECT_EQ(found(scene.index, 1, 5, "x"), Ids{"p2"});
}

TEST(DonorIndexChange, NeedsAnIndex) {
  const test::TemporaryFolder folder;

  EXPECT_EQ(error_of([&] { remove(folder.path() / "none", {}); }).what(),
            (folder.path() / "none").string() + ": no donor index: it holds no MANIFEST");
  EXPECT_FALSE(fs::exists(folder.path() / "none"));
}

TEST(DonorIndexChange, MergesIndexes) {
  const TwoArchives one;
  const test::TemporaryFolder folder;
  PromptRecord other = prompt(2, "x");  // the same id, another text
  other.tokens = text(20);
  other.embedding = direction(20);
  build(folder.path() / "two",
        {write_archive(folder.path() / "c.kva",
                       {other, prompt(5, "y"), prompt(6, "z"), prompt(7, "x")})});
  {
    DonorIndexWriter writer(folder.path() / "all", {.mode = IndexMode::extend});
    EXPECT_EQ(writer.merge(one.index), 5);
    EXPECT_EQ(writer.merge(folder.path() / "two"), 4);
    writer.commit();
  }

  EXPECT_EQ(found(folder.path() / "all", 1, 7, "x"), (Ids{"p1", "p2", "p4", "p7"}));
  EXPECT_EQ(found(folder.path() / "all", 1, 7, "y"), (Ids{"p3", "p5"}));
  EXPECT_EQ(found(folder.path() / "all", 1, 7, "z"), Ids{"p6"});
  const DonorIndex index(folder.path() / "all");
  EXPECT_EQ(index.info().donors, 8);
  const auto both = index.search({.tokens = text(20), .tenant = "x"});
  ASSERT_EQ(ids(both), Ids{"p2"});
  std::vector<std::string> warnings;
  EXPECT_EQ(index.find_prompt(both.candidates[0].donor, warnings), other);
}

// As where cat joins what two runs made of lines of text: ids are line numbers.
TEST(DonorIndexChange, KeepsPromptsOfOneIdInSeveralMembersAndArchives) {
  const test::TemporaryFolder folder;
  std::vector<fs::path> parts;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    PromptRecord one = prompt(seed);
    one.id = "1";
    parts.push_back(write_archive(folder.path() / (std::to_string(seed) + ".kva"), {one}));
  }
  {
    std::ofstream joined(folder.path() / "joined.kva", std::ios::binary);
    for (const size_t part : {0, 1}) joined << std::ifstream(parts[part], std::ios::binary).rdbuf();
  }
  build(folder.path() / "i", {folder.path() / "joined.kva"});
  build(folder.path() / "i", {parts[2]}, true);

  const DonorIndex index(folder.path() / "i");

  EXPECT_EQ(index.info().donors, 3);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const auto by_text = index.search({.tokens = text(seed)});
    ASSERT_EQ(ids(by_text), Ids{"1"});
    std::vector<std::string> warnings;
    const auto record = index.find_prompt(by_text.candidates[0].donor, warnings);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->tokens, text(seed));
    const auto by_embedding = index.search({.embedding = direction(seed), .limit = 1});
    EXPECT_EQ(by_embedding.candidates.at(0).donor.number, by_text.candidates[0].donor.number);
  }
  EXPECT_EQ(remove(folder.path() / "i", {.ids = {"1"}}), 3);
}

TEST(DonorIndexChange, AnArchiveAddedAgainReplacesWhatItGave) {
  const TwoArchives scene;
  PromptRecord changed = prompt(1, "x");
  changed.tokens = text(30);
  write_archive(scene.folder.path() / "a.kva", {changed, prompt(3, "y")});

  build(scene.index, {scene.folder.path() / "a.kva"}, true);

  const DonorIndex index(scene.index);
  EXPECT_EQ(index.info().donors, 4);
  EXPECT_EQ(index.info().archives.size(), 2u);
  EXPECT_TRUE(index.search({.tokens = text(1), .tenant = "x"}).candidates.empty());
  EXPECT_EQ(ids(index.search({.tokens = text(30), .tenant = "x"})), Ids{"p1"});
  EXPECT_EQ(found(scene.index, 2, 5, "y"), (Ids{"p3", "p5"}));
}

TEST(DonorIndexChange, MergesNothingOfAnIndexOfAnotherModel) {
  const TwoArchives one;
  const test::TemporaryFolder folder;
  ArchiveHeader header = test::sample_header();
  header.model = "big";
  header.tokenizer = "other";
  build(folder.path() / "two", {write_archive(folder.path() / "c.kva", {prompt(6)}, header)});
  DonorIndexWriter writer(one.index, {.mode = IndexMode::extend});

  EXPECT_EQ(
      error_of([&] { writer.merge(folder.path() / "two"); }).what(),
      (folder.path() / "two").string() + ": made by another model (big) than the index (tiny)");
  writer.commit();

  EXPECT_EQ(DonorIndex(one.index).info().donors, 5);
  EXPECT_EQ(DonorIndex(one.index).info().archives.size(), 2u);
}

// Donors p1 ... p<count>, of which every third is removed, again and again.
TEST(DonorIndexChange, FindsWhatIsLeftAmongManyThatWereRemoved) {
  for (const char* factory : {"auto", "HNSW32", "IVF2,Flat"}) {
    const test::TemporaryFolder folder;
    std::vector<PromptRecord> prompts;
    for (uint64_t seed = 1; seed <= 120; ++seed) {
      prompts.push_back(prompt(seed));
      if (seed > 100) prompts.back().embedding = direction(1);  // crowd around p1
    }
    {
      DonorIndexWriter writer(folder.path() / "i", {.factory = factory});
      writer.add_archive(write_archive(folder.path() / "a.kva", prompts));
      writer.commit();
    }
    Ids crowd;
    for (uint64_t seed = 101; seed <= 120; ++seed) crowd.push_back("p" + std::to_string(seed));
    remove(folder.path() / "i", {.ids = crowd});
    EXPECT_EQ(found(folder.path() / "i", 1, 100).size(), 100u) << factory;

    Ids removed, kept;
    for (uint64_t seed = 1; seed <= 100; ++seed)
      (seed % 3 == 0 ? removed : kept).push_back("p" + std::to_string(seed));
    remove(folder.path() / "i", {.ids = removed});

    EXPECT_EQ(found(folder.path() / "i", 1, 100), kept) << factory;
    EXPECT_EQ(DonorIndex(folder.path() / "i").info().embeddings, 67);
  }
}

TEST(DonorIndexChange, RemovesAllAndStartsAgain) {
  const TwoArchives scene;

  EXPECT_EQ(remove(scene.index, {}), 5);
  EXPECT_EQ(DonorIndex(scene.index).info().donors, 0);
  EXPECT_EQ(found(scene.index, 1, 5, "x"), Ids{});
  build(scene.index, {scene.folder.path() / "a.kva"}, true);

  EXPECT_EQ(found(scene.index, 1, 5, "x"), (Ids{"p1", "p2"}));
}

TEST(DonorIndexChange, ChangesTheStructureOnDemandAndKeepsIt) {
  const TwoArchives scene;
  const auto structures = [&](const char* factory) {
    DonorIndexWriter writer(scene.index, {.mode = IndexMode::extend, .factory = factory});
    writer.commit();
    return DonorIndex(scene.index).info().structures;
  };

  EXPECT_EQ(structures(""), Ids{"Flat"});
  EXPECT_EQ(structures("HNSW4"), Ids{"HNSW4"});
  EXPECT_EQ(structures(""), Ids{"HNSW4"});
  EXPECT_EQ(found(scene.index, 1, 5, "x"), (Ids{"p1", "p2", "p4"}));
  EXPECT_EQ(structures("IVF4,Flat"), Ids{"Flat"});  // too few vectors to train it
  EXPECT_EQ(DonorIndex(scene.index).info().factory, "IVF4,Flat");
  EXPECT_EQ(error_of([&] { structures("IVF4;Flat"); }).kind(), ErrorKind::argument);
}

}  // namespace
}  // namespace kvs
