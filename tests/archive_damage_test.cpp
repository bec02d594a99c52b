#include <gtest/gtest.h>

#include <algorithm>

#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/memory_file.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class ArchiveDamage : public testing::Test {
 protected:
  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "x.kva";

  // Whether `part` is the start of `whole`.
  static bool is_prefix(const std::vector<std::string>& part,
                        const std::vector<std::string>& whole) {
    return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
  }
};

TEST_F(ArchiveDamage, EveryTruncationYieldsTheWholeRecordsBeforeIt) {
  for (const KvCodec codec : {KvCodec::raw, KvCodec::shuffle, KvCodec::q8, KvCodec::q4}) {
    write_sample(path, codec);
    const ReadResult whole = read_all(path);
    MemoryFile file(read_bytes(path));
    for (auto size = static_cast<int64_t>(file.size()); size-- > 0;) {
      SCOPED_TRACE(size);
      file.truncate(size);

      const ReadResult cut = read_all(file.path());

      auto ends = whole.offsets;
      ends.erase(ends.begin());
      ends.push_back(whole.end_of_records);
      const auto complete = std::upper_bound(ends.begin(), ends.end(), size) - ends.begin();
      ASSERT_EQ(std::ssize(cut.records), complete);
      ASSERT_TRUE(is_prefix(cut.records, whole.records));
      ASSERT_TRUE(cut.error);
      ASSERT_EQ(cut.error->kind(), ErrorKind::format);
    }
  }
}

TEST_F(ArchiveDamage, SaysWhereAndWhat) {
  write_sample(path);
  const ReadResult whole = read_all(path);
  std::string bytes = read_bytes(path);
  bytes[static_cast<size_t>(whole.offsets[2]) + 20] ^= 4;
  write_bytes(path, bytes);

  const ReadResult damaged = read_all(path);

  EXPECT_EQ(damaged.records.size(), 2u);
  EXPECT_EQ(damaged.error->kind(), ErrorKind::format);
  EXPECT_EQ(std::string(damaged.error->what()),
            fmt::format("{}: damaged at byte {}: {}", path.string(), whole.offsets[2],
                        "Restored data doesn't match checksum"));
}

TEST_F(ArchiveDamage, FlippedBitsNeverGiveOtherRecords) {
  std::mt19937 random(20261123);
  int noticed = 0;
  for (const KvCodec codec : {KvCodec::raw, KvCodec::shuffle, KvCodec::q8, KvCodec::q4}) {
    write_sample(path, codec);
    const ReadResult whole = read_all(path);
    MemoryFile file(read_bytes(path));
    for (int round = 0; round < 2575; ++round) {
      const BitFlip flip(file, random());

      const ReadResult flipped = read_all(file.path());

      ASSERT_TRUE(is_prefix(flipped.records, whole.records)) << flip.describe();
      if (flipped.error) {
        ++noticed;
        continue;
      }
      ASSERT_EQ(flipped.records, whole.records) << flip.describe();
    }
  }
  EXPECT_GT(noticed, 10200);  // of 10,300
}

TEST_F(ArchiveDamage, FlippedBitsNeverGiveOtherRecordsAtRandom) {
  write_sample(path);
  MemoryFile memory(read_bytes(path));
  const ArchiveHeader header = sample_header();
  std::mt19937 random(20261124);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    const BitFlip flip(memory, random());
    SCOPED_TRACE(flip.describe());
    try {
      const ArchiveFile file(memory.path());
      ASSERT_EQ(file.members().size(), 1u);
      ASSERT_EQ(file.members()[0].header, header);
      ASSERT_EQ(file.prompt_count(), 2u);
      for (const uint32_t seed : {1, 2}) {
        const KvRecord kv = sample_kv(header, seed);
        ASSERT_EQ(file.read_prompt(seed - 1), sample_prompt(fmt::format("p{}", seed), kv));
        ASSERT_EQ(describe(file.read_kv(0, kv.id)), describe(sample_kv(header, seed)));
      }
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::format) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 3000);  // the rest hit the table, which is passed over
}

TEST_F(ArchiveDamage, AMissingOrForeignRecordIsNoticed) {
  write_sample(path, KvCodec::raw, {.table = false});
  const std::string bytes = read_bytes(path);
  const ReadResult whole = read_all(path);
  const auto frame = [&](size_t index) {
    const auto from = static_cast<size_t>(whole.offsets[index]);
    const auto to = index + 1 < whole.offsets.size() ? static_cast<size_t>(whole.offsets[index + 1])
                                                     : bytes.size();
    return bytes.substr(from, to - from);
  };
  const auto reason = [&](std::initializer_list<size_t> frames) {
    std::string edited;
    for (const size_t index : frames) edited += frame(index);
    write_bytes(path, edited);
    const std::string what = read_all(path).error.value().what();
    return what.substr(what.find(": ", what.find("at byte")) + 2);
  };

  EXPECT_EQ(reason({1, 2, 5}), "record 'kv' before a header");
  EXPECT_EQ(reason({0, 0}), "a header before the end record of its member");
  EXPECT_EQ(reason({0, 1, 2}), "cut off: the end record is missing");
  EXPECT_EQ(reason({0, 1, 2, 3, 5}), "2 kv and 1 prompts, the end record says 2 and 2");
  EXPECT_EQ(reason({0, 1, 1}), "kv " + to_hex(sample_kv(sample_header(), 1).id) + ": occurs twice");
  EXPECT_EQ(reason({0, 1, 2, 2}), "prompt 'p1': occurs twice");
  EXPECT_EQ(reason({0, 2}),
            "prompt 'p1': span refers to unknown kv " + to_hex(sample_kv(sample_header(), 1).id));
  EXPECT_EQ(reason({0, 1, 3, 2, 4, 5}).substr(0, 22), "the hash of the member");
  EXPECT_EQ(reason({0, 1, 2, 3, 4, 5, 5}), "record 'end' before a header");
}

TEST_F(ArchiveDamage, WhatIsNoArchiveIsSaidToBeNone) {
  write_bytes(path, "just some text, long enough");
  EXPECT_EQ(read_all(path).error->what(), path.string() + ": not a kv archive");

  write_bytes(path, "");
  EXPECT_EQ(read_all(path).error->what(),
            path.string() + ": damaged at byte 0: empty, expected a header");
}

}  // namespace
}  // namespace kvs::test
