#include "kvs/archive_copier.h"

#include <gtest/gtest.h>

#include "support/archive_sample.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class Copier : public testing::Test {
 protected:
  // Copies the prompts for which `wanted` holds.
  template <typename Wanted>
  void copy(ArchiveWriter& writer, Wanted wanted) {
    ArchiveReader reader(path, {.decode_kv = false});
    ArchiveCopier copier;
    while (const auto item = reader.next()) {
      copier.take(*item);
      const auto* prompt = std::get_if<PromptRecord>(&item->record);
      if (prompt && wanted(*prompt)) copier.copy(*item, writer);
    }
  }

  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "from.kva";
  std::filesystem::path to = folder.path() / "to.kva";
};

TEST_F(Copier, CopiesFramesAsTheyAre) {
  for (const KvCodec codec : {KvCodec::raw, KvCodec::shuffle, KvCodec::q8, KvCodec::q4}) {
    write_sample(path, codec);

    ArchiveWriter writer(to, sample_header());
    copy(writer, [](const PromptRecord&) { return true; });
    writer.finish();

    EXPECT_EQ(read_bytes(to), read_bytes(path)) << codec_name(codec);
  }
}

TEST_F(Copier, TakesAlongOnlyWhatAPromptRefersTo) {
  write_sample(path);

  ArchiveWriter writer(to, sample_header());
  copy(writer, [](const PromptRecord& prompt) { return prompt.id == "p2"; });
  writer.finish();

  const ReadResult copied = read_all(to);
  ASSERT_FALSE(copied.error);
  ASSERT_EQ(copied.records.size(), 4u);
  EXPECT_EQ(copied.records[1], describe(sample_kv(sample_header(), 2)));
}

TEST_F(Copier, WritesMembersThatOpenAtRandom) {
  write_sample(path, KvCodec::q8);

  ArchiveWriter writer(to, sample_header());
  copy(writer, [](const PromptRecord& prompt) { return prompt.id == "p1"; });
  writer.next_member(sample_header());
  copy(writer, [](const PromptRecord&) { return true; });
  writer.finish();

  const ArchiveFile file(to);
  ASSERT_EQ(file.members().size(), 2u);
  EXPECT_TRUE(file.members()[1].table);
  EXPECT_EQ(file.prompt_count(), 3u);
  EXPECT_EQ(file.read_prompt(2).id, "p2");
  EXPECT_EQ(file.read_kv(1, file.kv_ids(1)[1]).tokens, sample_kv(sample_header(), 2).tokens);
}

}  // namespace
}  // namespace kvs::test
