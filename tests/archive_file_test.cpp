#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/memory_file.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class ArchiveFileTest : public testing::Test {
 protected:
  void expect_sample_member(const ArchiveFile& file, size_t member) const {
    const ArchiveHeader header = sample_header();
    EXPECT_EQ(file.members().at(member).header, header);
    EXPECT_EQ(file.members()[member].kv, 2);
    EXPECT_EQ(file.members()[member].prompts, 2);
    ASSERT_EQ(file.kv_ids(member).size(), 2u);
    for (const uint32_t seed : {1, 2}) {
      const KvRecord kv = sample_kv(header, seed, 3, codec);
      EXPECT_EQ(file.kv_ids(member)[seed - 1], kv.id);
      EXPECT_EQ(describe(file.read_kv(member, kv.id)), describe(sample_kv(header, seed, 3, codec)));
      EXPECT_EQ(file.read_prompt(2 * member + seed - 1),
                sample_prompt(fmt::format("p{}", seed), kv));
      EXPECT_EQ(file.prompt_member(2 * member + seed - 1), member);
    }
  }

  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "x.kva";
  KvCodec codec = KvCodec::shuffle;
};

TEST_F(ArchiveFileTest, ReadsAnyRecordThroughTheTable) {
  write_sample(path, codec);

  const ArchiveFile file(path);

  ASSERT_EQ(file.members().size(), 1u);
  EXPECT_TRUE(file.members()[0].table);
  EXPECT_EQ(file.members()[0].bytes, static_cast<int64_t>(std::filesystem::file_size(path)));
  EXPECT_EQ(file.prompt_count(), 2u);
  expect_sample_member(file, 0);
}

TEST_F(ArchiveFileTest, ScansWhereThereIsNoTable) {
  write_sample(path, codec, {.table = false});

  const ArchiveFile file(path);

  EXPECT_FALSE(file.members().at(0).table);
  expect_sample_member(file, 0);
}

TEST_F(ArchiveFileTest, ScansWhereTheTableIsDamagedAtAnyByte) {
  write_sample(path, codec);
  MemoryFile memory(read_bytes(path));
  const auto table = static_cast<size_t>(read_all(path).end_of_records);
  for (size_t at = table + 8; at < memory.size(); ++at) {
    const BitFlip flip(memory, 8 * at);
    SCOPED_TRACE(flip.describe());

    const ArchiveFile file(memory.path());

    ASSERT_FALSE(file.members().at(0).table);
    ASSERT_EQ(file.prompt_count(), 2u);
  }
}

TEST_F(ArchiveFileTest, ScansWhereTheTableIsCutOffAnywhere) {
  write_sample(path, codec);
  const auto table = static_cast<size_t>(read_all(path).end_of_records);
  MemoryFile memory(read_bytes(path));
  for (size_t size = memory.size(); size-- > table;) {
    memory.truncate(static_cast<int64_t>(size));

    const ArchiveFile file(memory.path());

    ASSERT_FALSE(file.members().at(0).table);
    ASSERT_EQ(file.prompt_count(), 2u);
  }
}

TEST_F(ArchiveFileTest, WalksMembersBackwardsAndScansTheRest) {
  write_sample(path, codec);
  const std::string with = read_bytes(path);
  write_sample(path, codec, {.table = false});
  const std::string without = read_bytes(path);

  for (const std::string& bytes :
       {with + with + with, without + with + with, with + without + with, with + with + without}) {
    write_bytes(path, bytes);
    const ArchiveFile file(path);
    ASSERT_EQ(file.members().size(), 3u);
    EXPECT_EQ(file.prompt_count(), 6u);
    for (const size_t member : {0, 1, 2}) expect_sample_member(file, member);
  }
}

TEST_F(ArchiveFileTest, FindsAllKvOfAMember) {
  write_sample(path, codec);
  const ArchiveFile file(path);
  const KvRecord kv = sample_kv(sample_header(), 2);

  const auto place = file.find_kv(0, kv.id);

  ASSERT_TRUE(place);
  EXPECT_EQ(place->home, 5);
  EXPECT_EQ(place->count, 3);
  EXPECT_TRUE(place->exact);
  EXPECT_FALSE(file.find_kv(0, {0, 1}));
  EXPECT_EQ(error_of([&] {
              file.read_kv(0, {0, 1});
            }).what(),
            path.string() + ": no kv 00000000000000000000000000000001 in member 0");
}

TEST_F(ArchiveFileTest, NamesTheDamagedFrame) {
  write_sample(path);
  const int64_t offset = read_all(path).offsets[1];
  std::string bytes = read_bytes(path);
  bytes[static_cast<size_t>(offset) + 90] ^= 1;
  write_bytes(path, bytes);

  const ArchiveFile file(path);
  const Error e = error_of([&] { file.read_kv(0, sample_kv(sample_header(), 1).id); });

  EXPECT_EQ(e.kind(), ErrorKind::format);
  EXPECT_EQ(e.what(), fmt::format("{}: damaged at byte {}: Restored data doesn't match checksum",
                                  path.string(), offset));
  EXPECT_NO_THROW(file.read_kv(0, sample_kv(sample_header(), 2).id));
}

TEST_F(ArchiveFileTest, RefusesADamagedArchiveThatItMustScan) {
  write_sample(path, codec, {.table = false});
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);

  EXPECT_EQ(error_of([&] { ArchiveFile file(path); }).kind(), ErrorKind::format);
}

TEST_F(ArchiveFileTest, NeedsARegularFile) {
  EXPECT_EQ(error_of([&] { ArchiveFile file(path); }).what(),
            path.string() + ": cannot open: No such file or directory");
  EXPECT_EQ(error_of([&] { ArchiveFile file("/dev/null"); }).what(),
            std::string("/dev/null: not a regular file, which reading at random needs"));
}

TEST_F(ArchiveFileTest, IsReadByManyThreads) {
  write_sample(path, codec);
  const ArchiveFile file(path);
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([&] {
        for (int round = 0; round < 20; ++round) expect_sample_member(file, 0);
      });
  }
}

}  // namespace
}  // namespace kvs::test
