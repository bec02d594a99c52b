#include "kvs/archive.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <span>

#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class Archive : public testing::Test {
 protected:
  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "x.kva";
  ArchiveHeader header = sample_header();
};

TEST_F(Archive, ReadsBackEveryRecordInOrder) {
  write_sample(path);

  const ReadResult back = read_all(path);

  EXPECT_FALSE(back.error);
  ASSERT_EQ(back.records.size(), 6u);
  EXPECT_EQ(back.records[0], describe(header));
  EXPECT_EQ(back.records[1], describe(sample_kv(header, 1)));
  EXPECT_EQ(back.records[2], describe(sample_prompt("p1", sample_kv(header, 1))));
  EXPECT_EQ(back.records[4], describe(sample_prompt("p2", sample_kv(header, 2))));
  EXPECT_EQ(back.records[5].substr(0, 8), "end 2 2 ");
}

TEST_F(Archive, IsReadFromMemoryToo) {
  write_sample(path);
  const std::string bytes = read_bytes(path);
  const auto memory = std::as_bytes(std::span(bytes));

  ArchiveReader reader(memory, "x");
  EXPECT_EQ(read_all(reader).records, read_all(path).records);

  ArchiveReader cut(memory.first(memory.size() - 1), "x");
  const ReadResult result = read_all(cut);
  ASSERT_TRUE(result.error);
  EXPECT_NE(std::string(result.error->what()).find("x: damaged at byte"), std::string::npos);

  ArchiveReader nothing(std::span<const std::byte>(), "x");
  EXPECT_TRUE(read_all(nothing).error);
}

struct Stored {
  DType type;
  KvCodec codec;
  int count;
};

class ArchiveKv : public Archive, public testing::WithParamInterface<Stored> {};

TEST_P(ArchiveKv, ComesBackBitForBit) {
  const auto [type, codec, count] = GetParam();
  header = sample_header(type);
  const KvRecord record = sample_kv(header, 7, count, codec);
  ArchiveWriter writer(path, header);
  writer.add(record);
  writer.finish();

  ArchiveReader reader(path);
  reader.next();
  const auto item = reader.next();

  EXPECT_EQ(describe(item->record), describe(ArchiveRecord(sample_kv(header, 7, count, codec))));
}

// The memory may be such that a device copies from: it has all that the record shows.
TEST_P(ArchiveKv, IsReadIntoMemoryThatIsGiven) {
  const auto [type, codec, count] = GetParam();
  header = sample_header(type);
  ArchiveWriter writer(path, header);
  writer.add(sample_kv(header, 7, count, codec));
  writer.finish();
  std::map<const std::byte*, size_t> given;
  const HostAllocator memory = [&](size_t size) {
    auto bytes = std::make_shared<std::byte[]>(size);
    given[bytes.get()] = size;
    return bytes;
  };

  ArchiveReader reader(path, {.memory = memory});
  reader.next();
  const auto item = reader.next();
  const auto& record = std::get<KvRecord>(item->record);

  // For little the heap is as good.
  const bool large = count >= 65;
  ASSERT_EQ(given.contains(record.storage.get()), large);
  const KvRecord of_file = ArchiveFile(path).read_kv(0, record.id, memory);
  EXPECT_EQ(given.contains(of_file.storage.get()), large && codec != KvCodec::raw);
  if (!large) return;
  const std::byte *first = record.storage.get(), *end = first + given[first];
  for (const KvLayer& layer : record.layers)
    for (const auto& part : {layer.k, layer.v, layer.k_scales, layer.v_scales})
      EXPECT_TRUE(part.empty() || (part.data() >= first && part.data() + part.size() <= end));
  EXPECT_EQ(describe(item->record), describe(ArchiveRecord(sample_kv(header, 7, count, codec))));
}

std::vector<Stored> all_kinds() {
  std::vector<Stored> kinds;
  for (const DType type : {DType::f16, DType::bf16, DType::f32, DType::q8})
    for (const KvCodec codec : {KvCodec::raw, KvCodec::shuffle})
      for (const int count : {1, 65, 256}) kinds.push_back({type, codec, count});
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(AllKinds, ArchiveKv, testing::ValuesIn(all_kinds()), [](const auto& test) {
  return fmt::format("{}_{}_{}", dtype_name(test.param.type), codec_name(test.param.codec),
                     test.param.count);
});

TEST_F(Archive, WithoutOptionalFieldsReadsBackToo) {
  const PromptRecord bare{.id = "", .tokens = {}};
  ArchiveWriter writer(path, {});
  writer.add(bare);
  writer.finish();

  const ReadResult back = read_all(path);

  EXPECT_FALSE(back.error);
  EXPECT_EQ(back.records[0], describe(ArchiveHeader{}));
  EXPECT_EQ(back.records[1], describe(bare));
}

TEST_F(Archive, KeepsWhoseRequestAPromptWas) {
  PromptRecord prompt{.id = "p", .tenant = "team", .owner = "ann"};
  ArchiveWriter writer(path, {});
  writer.add(prompt);
  writer.finish();

  const ReadResult back = read_all(path);

  EXPECT_FALSE(back.error);
  EXPECT_EQ(back.records[1], describe(prompt));
  prompt.owner = "ben";
  EXPECT_NE(back.records[1], describe(prompt));
}

TEST_F(Archive, StoresSharedTextOnce) {
  const KvRecord record = sample_kv(header, 1);
  ArchiveWriter writer(path, header);

  EXPECT_FALSE(writer.has_kv(record.id));
  EXPECT_TRUE(writer.add(record));
  EXPECT_TRUE(writer.has_kv(record.id));
  const int64_t bytes = writer.bytes();
  EXPECT_FALSE(writer.add(record));

  EXPECT_EQ(writer.bytes(), bytes);
}

TEST_F(Archive, GivesTheSameRecordsWithWorkerThreadsAndOtherLevels) {
  write_sample(path, KvCodec::shuffle);
  const ReadResult plain = read_all(path);

  write_sample(path, KvCodec::shuffle, {.level = 9, .threads = 2});
  const ReadResult other = read_all(path);

  EXPECT_FALSE(other.error);
  EXPECT_EQ(std::vector(plain.records.begin(), plain.records.end() - 1),
            std::vector(other.records.begin(), other.records.end() - 1));
}

TEST_F(Archive, ReaderCanPassOverKeysAndValues) {
  write_sample(path);

  ArchiveReader reader(path, {.decode_kv = false});
  reader.next();
  const auto item = reader.next();

  const auto& record = std::get<KvRecord>(item->record);
  EXPECT_EQ(record.tokens, sample_kv(header, 1).tokens);
  EXPECT_TRUE(record.layers.empty());
}

TEST_F(Archive, OffsetsAndSizesOfItemsTileTheMember) {
  write_sample(path, KvCodec::raw, {.table = false});

  ArchiveReader reader(path);
  int64_t end = 0;
  while (const auto item = reader.next()) {
    EXPECT_EQ(item->offset, end);
    end = item->offset + item->bytes;
  }

  EXPECT_EQ(end, static_cast<int64_t>(std::filesystem::file_size(path)));
}

TEST_F(Archive, MembersPutTogetherAreAnArchive) {
  write_sample(path);
  const ReadResult one = read_all(path);
  const std::string bytes = read_bytes(path);

  write_bytes(path, bytes + bytes);
  const ReadResult two = read_all(path);

  EXPECT_FALSE(two.error);
  auto expected = one.records;
  expected.insert(expected.end(), one.records.begin(), one.records.end());
  EXPECT_EQ(two.records, expected);
}

TEST_F(Archive, IsAPlainStreamOfZstdFrames) {
  write_sample(path);
  const std::filesystem::path plain = folder.path() / "plain";
  const std::string command = fmt::format("zstd -dcq '{}' > '{}'", path.string(), plain.string());

  if (std::system("zstd --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no zstd program";
  ASSERT_EQ(std::system(command.c_str()), 0);

  EXPECT_EQ(read_bytes(plain).substr(0, 12), "\x8c\xa1t\xa6header\xa7v");
}

TEST(KvRecordId, DependsOnEveryPartOfItsContext) {
  const std::vector<int32_t> tokens{1, 2, 3};
  const KvContext context{.fingerprint = "m", .tenant_salt = "s", .parent = {1, 2}};
  const Hash128 id = kv_record_id(context, tokens);

  EXPECT_EQ(id, kv_record_id(context, tokens));
  EXPECT_NE(id, kv_record_id({.fingerprint = "ms", .parent = {1, 2}}, tokens));
  EXPECT_NE(id, kv_record_id({.fingerprint = "m", .tenant_salt = "t", .parent = {1, 2}}, tokens));
  EXPECT_NE(id, kv_record_id({.fingerprint = "m", .tenant_salt = "s", .parent = {1, 3}}, tokens));
  EXPECT_NE(id, kv_record_id(context, std::vector<int32_t>{1, 2}));
  KvContext approximate = context;
  approximate.exact = false;
  EXPECT_NE(id, kv_record_id(approximate, tokens));
}

// The definition in kvs-archive(5), computed with Python's struct and xxhash.
TEST(KvRecordId, IsWhatTheManualSays) {
  const Hash128 id = kv_record_id({.fingerprint = "model", .tenant_salt = "salt", .parent = {1, 2}},
                                  std::vector<int32_t>{1, 2, 300000});

  EXPECT_EQ(to_hex(id), "dc5bc1a90f05bb9d18724c93d123c110");
}

TEST(RequireSameModel, NamesWhatDiffers) {
  const ArchiveHeader ours = sample_header();
  ArchiveHeader other = ours;
  other.time += 1;
  EXPECT_NO_THROW(require_same_model(other, ours, "x.kva"));

  other.tokenizer = "ffff";
  const Error tokenizer = error_of([&] { require_same_model(other, ours, "x.kva"); });
  EXPECT_EQ(tokenizer.kind(), ErrorKind::mismatch);
  EXPECT_STREQ(tokenizer.what(),
               "x.kva: made with another tokenizer: found ffff, expected 0123abcd");

  other = ours;
  other.layout.type = DType::q8;
  EXPECT_STREQ(error_of([&] { require_same_model(other, ours, "x.kva"); }).what(),
               "x.kva: made with another kv layout: found 2 layers, 2 kv heads, head_dim 4, q8, "
               "expected 2 layers, 2 kv heads, head_dim 4, f16");
}

}  // namespace
}  // namespace kvs::test
