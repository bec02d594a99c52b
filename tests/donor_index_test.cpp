#include "kvs/donor_index.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/errors.h"
#include "support/index_sample.h"
#include "support/temporary_folder.h"
#include "support/token_texts.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;
using test::build;
using test::direction;
using test::error_of;
using test::ids;
using test::joined;
using test::prompt;
using test::text;
using test::Tokens;
using test::write_archive;

using Ids = std::vector<std::string>;

TEST(DonorIndex, FindsByFingerprintsByEmbeddingAndByBoth) {
  const test::TemporaryFolder folder;
  build(folder.path() / "index",
        {write_archive(folder.path() / "a.kva", {prompt(1), prompt(2), prompt(3)})});
  const DonorIndex index(folder.path() / "index");
  const Tokens query = joined({text(99, 10), text(2)});

  const auto both = index.search({.tokens = query, .embedding = direction(2), .limit = 1});
  const auto apart = index.search({.tokens = query, .embedding = direction(3), .limit = 8});
  const auto by_tokens = index.search({.tokens = query});

  ASSERT_EQ(ids(both), Ids{"p2"});
  EXPECT_EQ(both.candidates[0].found_by, FoundBy::both);
  EXPECT_NEAR(both.candidates[0].similarity, 1, 1e-6);
  EXPECT_NEAR(static_cast<double>(both.candidates[0].matched), 200, 30);
  EXPECT_EQ(both.candidates[0].donor.archive, folder.path() / "a.kva");
  ASSERT_GE(apart.candidates.size(), 2u);
  EXPECT_EQ(apart.candidates[0].donor.id, "p2");
  EXPECT_EQ(apart.candidates[1].donor.id, "p3");
  EXPECT_EQ(apart.candidates[1].found_by, FoundBy::embedding);
  EXPECT_NEAR(apart.candidates[1].similarity, 1, 1e-6);
  ASSERT_EQ(ids(by_tokens), Ids{"p2"});
  EXPECT_EQ(by_tokens.candidates[0].similarity, 0);
  EXPECT_EQ(by_tokens.candidates[0].found_by, FoundBy::fingerprints);
}

TEST(DonorIndex, LeavesAQuarterOfThePlacesToTheEmbedding) {
  const test::TemporaryFolder folder;
  std::vector<PromptRecord> prompts;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    prompts.push_back(prompt(seed));
    if (seed < 10) prompts.back().tokens = joined({text(500), text(seed, 50)});
    prompts.back().embedding = direction(seed < 10 ? 1000 + seed : 77);
  }
  build(folder.path() / "i", {write_archive(folder.path() / "a.kva", prompts)});

  const auto found = DonorIndex(folder.path() / "i")
                         .search({.tokens = text(500), .embedding = direction(77), .limit = 8});

  ASSERT_EQ(found.candidates.size(), 8u);
  for (size_t at = 0; at < 8; ++at)
    EXPECT_EQ(found.candidates[at].found_by == FoundBy::embedding, at >= 6);
}

TEST(DonorIndex, ShowsNobodyWhatOthersKeepToThemselves) {
  const test::TemporaryFolder folder;
  std::vector<PromptRecord> prompts = {prompt(1, "a"), prompt(2, "a", Visibility::group),
                                       prompt(3, "a", Visibility::everyone), prompt(4, "b"),
                                       prompt(5, "b", Visibility::group)};
  for (PromptRecord& one : prompts) {
    one.tokens = text(500);
    one.embedding = direction(500);
  }
  build(folder.path() / "i", {write_archive(folder.path() / "x.kva", prompts)});
  const DonorIndex index(folder.path() / "i");
  const Tokens query = text(500);
  const auto found_by = [&](std::string_view tenant, const Ids& group) {
    Ids found = ids(index.search({query, direction(500), tenant, group}));
    std::sort(found.begin(), found.end());
    return found;
  };

  EXPECT_EQ(found_by("a", {}), (Ids{"p1", "p2", "p3"}));
  EXPECT_EQ(found_by("a", {"a", "b"}), (Ids{"p1", "p2", "p3", "p5"}));
  EXPECT_EQ(found_by("b", {}), (Ids{"p3", "p4", "p5"}));
  EXPECT_EQ(found_by("c", {"b"}), (Ids{"p3", "p5"}));
  EXPECT_EQ(found_by("", {}), Ids{"p3"});
}

TEST(DonorIndex, ReadsAPromptFromItsArchive) {
  const test::TemporaryFolder folder;
  build(folder.path() / "i", {write_archive(folder.path() / "a.kva", {prompt(1), prompt(2)}),
                              write_archive(folder.path() / "b.kva", {prompt(3)})});
  const DonorIndex index(folder.path() / "i");
  std::vector<std::string> warnings;

  for (const uint64_t seed : {2u, 3u}) {
    const auto found = index.search({.tokens = text(seed)});
    ASSERT_EQ(found.candidates.size(), 1u);
    EXPECT_EQ(index.find_prompt(found.candidates[0].donor, warnings), prompt(seed));
  }
  EXPECT_TRUE(warnings.empty());
}

TEST(DonorIndex, MissesAMissingArchiveAndSaysSoOnce) {
  const test::TemporaryFolder folder;
  const fs::path gone = write_archive(folder.path() / "a.kva", {prompt(1), prompt(2)});
  build(folder.path() / "i", {gone, write_archive(folder.path() / "b.kva", {prompt(3)})});
  fs::remove(gone);
  const DonorIndex index(folder.path() / "i");

  const auto first = index.search({.tokens = joined({text(1), text(2), text(3)})});
  const auto second = index.search({.tokens = text(1)});

  EXPECT_EQ(ids(first), Ids{"p3"});
  EXPECT_EQ(first.warnings,
            Ids{(folder.path() / "a.kva").string() + ": missing; its 2 prompts are no donors"});
  EXPECT_TRUE(second.candidates.empty());
  EXPECT_TRUE(second.warnings.empty());
  EXPECT_FALSE(index.info().archives[0].present);
  EXPECT_TRUE(index.info().archives[1].present);
}

TEST(DonorIndex, MissesAnArchiveThatWasReplaced) {
  const test::TemporaryFolder folder;
  const fs::path archive = write_archive(folder.path() / "a.kva", {prompt(1)});
  build(folder.path() / "i", {archive});
  const DonorIndex index(folder.path() / "i");
  const auto found = index.search({.tokens = text(1)});
  PromptRecord other = prompt(1);
  other.tokens[7] ^= 1;
  write_archive(archive, {other});
  std::vector<std::string> warnings;

  EXPECT_EQ(index.find_prompt(found.candidates.at(0).donor, warnings), std::nullopt);

  EXPECT_EQ(warnings, Ids{(folder.path() / "a.kva").string() +
                          ": changed since it was indexed; its 1 prompts are no donors"});
  EXPECT_TRUE(index.search({.tokens = text(1)}).candidates.empty());
}

TEST(DonorIndex, CopiesWhatComesByAPipe) {
  const test::TemporaryFolder folder;
  const fs::path archive = write_archive(folder.path() / "a.kva", {prompt(1), prompt(2)});
  {
    DonorIndexWriter writer(folder.path() / "i");
    std::ifstream stream(archive, std::ios::binary);
    EXPECT_EQ(writer.add_copy(stream), 2);
    EXPECT_EQ(writer.add_copy(write_archive(folder.path() / "b.kva", {prompt(3)})), 1);
    writer.commit();
  }
  fs::remove(archive);
  fs::remove(folder.path() / "b.kva");
  fs::rename(folder.path() / "i", folder.path() / "elsewhere");

  const DonorIndex index(folder.path() / "elsewhere");

  EXPECT_EQ(ids(index.search({.tokens = text(2)})), Ids{"p2"});
  EXPECT_EQ(ids(index.search({.tokens = text(3)})), Ids{"p3"});
  EXPECT_EQ(index.info().archives[0].path.rfind("archives/stdin-", 0), 0u);
  EXPECT_EQ(index.info().archives[1].path.rfind("archives/b-", 0), 0u);
}

TEST(DonorIndex, KeepsOrReplacesWhatThereWas) {
  const test::TemporaryFolder folder;
  PromptRecord newer = prompt(1);
  newer.embedding = direction(50);
  const fs::path a = write_archive(folder.path() / "a.kva", {prompt(1), prompt(2)});
  const fs::path b = write_archive(folder.path() / "b.kva", {newer, prompt(3)});
  build(folder.path() / "i", {a});

  build(folder.path() / "i", {b}, true);

  const DonorIndex kept(folder.path() / "i");
  EXPECT_EQ(kept.info().generation, 2);
  EXPECT_EQ(kept.info().donors, 3);
  EXPECT_EQ(kept.info().embeddings, 3);
  const auto replaced = kept.search({.tokens = text(1)});
  ASSERT_EQ(ids(replaced), Ids{"p1"});
  EXPECT_EQ(replaced.candidates[0].donor.archive, b);
  EXPECT_EQ(ids(kept.search({.embedding = direction(50), .limit = 1})), Ids{"p1"});
  EXPECT_EQ(ids(kept.search({.embedding = direction(2), .limit = 1})), Ids{"p2"});

  build(folder.path() / "i", {b});
  EXPECT_EQ(DonorIndex(folder.path() / "i").info().donors, 2);
  EXPECT_EQ(kept.info().donors, 3);  // what is open stays
  EXPECT_EQ(ids(kept.search({.tokens = text(2)})), Ids{"p2"});
}

TEST(DonorIndex, IsUnchangedWithoutCommit) {
  const test::TemporaryFolder folder;
  const fs::path a = write_archive(folder.path() / "a.kva", {prompt(1)});
  build(folder.path() / "i", {a});
  {
    DonorIndexWriter writer(folder.path() / "i");
    writer.add_archive(write_archive(folder.path() / "b.kva", {prompt(2)}));
  }

  const DonorIndex index(folder.path() / "i");

  EXPECT_EQ(index.info().generation, 1);
  EXPECT_EQ(ids(index.search({.tokens = text(1)})), Ids{"p1"});
}

TEST(DonorIndex, TakesNothingFromAnArchiveThatFails) {
  const test::TemporaryFolder folder;
  const fs::path good = write_archive(folder.path() / "a.kva", {prompt(1)});
  const fs::path damaged = write_archive(folder.path() / "b.kva", {prompt(1), prompt(2)});
  fs::resize_file(damaged, fs::file_size(damaged) / 2);
  ArchiveHeader other = test::sample_header();
  other.model = "big";
  other.fingerprint = "llama 99";
  const fs::path foreign = write_archive(folder.path() / "c.kva", {prompt(3)}, other);
  PromptRecord longer = prompt(4);
  longer.embedding.push_back(1);
  const fs::path wider = write_archive(folder.path() / "d.kva", {longer});
  {
    DonorIndexWriter writer(folder.path() / "i");
    writer.add_archive(good);

    EXPECT_EQ(error_of([&] { writer.add_archive(damaged); }).kind(), ErrorKind::format);
    EXPECT_EQ(error_of([&] { writer.add_copy(damaged); }).kind(), ErrorKind::format);
    EXPECT_EQ(error_of([&] { writer.add_archive(foreign); }).what(),
              foreign.string() + ": made by another model (big) than the index (tiny)");
    EXPECT_EQ(
        error_of([&] { writer.add_archive(wider); }).what(),
        wider.string() + ": embeddings of static with 9 dimensions, the index has static with 8");
    writer.commit();
  }

  const DonorIndex index(folder.path() / "i");
  EXPECT_EQ(index.info().donors, 1);
  EXPECT_EQ(index.info().archives.size(), 1u);
  EXPECT_EQ(ids(index.search({.tokens = text(1), .embedding = direction(1)})), Ids{"p1"});
  EXPECT_TRUE(fs::is_empty(folder.path() / "i/archives"));
}

TEST(DonorIndex, NamesTheDamagedFile) {
  const test::TemporaryFolder folder;
  build(folder.path() / "i", {write_archive(folder.path() / "a.kva", {prompt(1)})});
  for (const char* name : {"MANIFEST", "donors.2", "fingerprints.3", "vectors.4"}) {
    const fs::path path = folder.path() / "i" / name;
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(40);
    const int byte = file.get();
    file.seekp(40);
    file.put(static_cast<char>(byte ^ 8));
    file.close();

    const Error error = error_of([&] {
      DonorIndex(folder.path() / "i").search({.tokens = text(1), .embedding = direction(1)});
    });

    EXPECT_EQ(error.kind(), ErrorKind::format);
    EXPECT_EQ(error.what(), path.string() + ": damaged: the checksum does not fit");
    build(folder.path() / "i", {folder.path() / "a.kva"});  // repairs it
    EXPECT_EQ(ids(DonorIndex(folder.path() / "i").search({.tokens = text(1)})), Ids{"p1"});
  }
}

TEST(DonorIndex, SaysWhereThereIsNone) {
  const test::TemporaryFolder folder;

  const Error error = error_of([&] { DonorIndex index(folder.path()); });

  EXPECT_EQ(error.kind(), ErrorKind::io);
  EXPECT_EQ(error.what(), folder.path().string() + ": no donor index: it holds no MANIFEST");
}

TEST(DonorIndex, RefusesAnEmbeddingOfAnotherSize) {
  const test::TemporaryFolder folder;
  build(folder.path() / "i", {write_archive(folder.path() / "a.kva", {prompt(1)})});
  const DonorIndex index(folder.path() / "i");

  const Error error = error_of([&] { index.search({.embedding = std::vector<float>(3, 1)}); });

  EXPECT_EQ(error.kind(), ErrorKind::mismatch);
  EXPECT_EQ(error.what(), (folder.path() / "i").string() +
                              ": its embeddings have 8 dimensions, the query's has 3");
}

TEST(DonorIndex, DoesWithoutEmbeddings) {
  const test::TemporaryFolder folder;
  PromptRecord plain = prompt(1);
  plain.embedding.clear();
  plain.embedder.clear();
  build(folder.path() / "i", {write_archive(folder.path() / "a.kva", {plain})});
  const DonorIndex index(folder.path() / "i");

  EXPECT_EQ(ids(index.search({.tokens = text(1), .embedding = direction(1)})), Ids{"p1"});
  EXPECT_TRUE(index.search({.tokens = {}, .embedding = direction(1)}).candidates.empty());
  EXPECT_EQ(index.info().embeddings, 0);
}

TEST(DonorIndex, OfNothingFindsNothing) {
  const test::TemporaryFolder folder;
  build(folder.path() / "i", {});

  EXPECT_TRUE(DonorIndex(folder.path() / "i").search({.tokens = text(1)}).candidates.empty());
}

}  // namespace
}  // namespace kvs
