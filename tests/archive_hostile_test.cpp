#include <gtest/gtest.h>

#include "kvs/hash.h"
#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/memory_file.h"
#include "support/raw_archive.h"

namespace kvs::test {
namespace {

ReadResult read_bytes_as_archive(const std::string& bytes) {
  const MemoryFile file(bytes);
  ArchiveReader reader(file.descriptor(), "x");
  return read_all(reader);
}

// What is said about an archive that ends in `record`, without the place.
std::string reason(const std::string& start, const std::string& record) {
  const ReadResult result = read_bytes_as_archive(start + record);
  if (!result.error) return "(none)";
  const std::string what = result.error->what();
  const std::string place = fmt::format("x: damaged at byte {}: ", start.size());
  return what.starts_with(place) ? what.substr(place.size()) : what;
}

const std::string kStart = frame(raw_header());

std::string reason_for_header(const RawMap& header) {
  return reason("", frame(header));
}
std::string reason_for(const RawMap& record) {
  return reason(kStart, frame(record));
}

const std::string kCut = "cut off: the end record is missing";

TEST(HostileArchive, MadeByHandIsReadWhereItKeepsTheRules) {
  const ReadResult result = read_bytes_as_archive(kStart + frame(raw_kv()) + frame(raw_prompt()));

  EXPECT_EQ(result.records.size(), 3u);
  EXPECT_TRUE(std::string(result.error->what()).ends_with(kCut));
}

TEST(HostileArchive, ClaimsOfSizeAreBoundedBeforeMemoryIsTaken) {
  std::string huge = frame(std::string(100'000, 'x'));
  const auto size_field = huge.find(std::string("\xa0\x86\x01\x00", 4));
  ASSERT_NE(size_field, std::string::npos);
  huge.replace(size_field, 4, "\xff\xff\xff\xff");

  EXPECT_EQ(reason("", huge),
            "frame claims 4294967295 bytes of content, at most 1048576 are possible");
  EXPECT_EQ(reason(kStart, huge),
            "frame claims 4294967295 bytes of content, at most 268435456 are possible");
}

TEST(HostileArchive, EndlessEmptyBlocksAreRefused) {
  const std::string header("\x28\xb5\x2f\xfd\x24\x01", 6);  // checksum, one segment, one byte

  EXPECT_EQ(reason("", header + std::string(300'000, '\0')),
            "frame is larger than its content allows");
}

TEST(HostileArchive, CountsInsideARecordAreBounded) {
  const auto with_tokens = [](const std::string& tokens) {
    return reason_for(raw_kv().with("tokens", tokens));
  };

  EXPECT_EQ(with_tokens(pack::array_start(0xffffffff)), "invalid msgpack: array size overflow");
  EXPECT_EQ(with_tokens(pack::array_start(100)), "invalid msgpack: insufficient bytes");
  EXPECT_EQ(with_tokens("\xc6\xff\xff\xff\xff"), "invalid msgpack: insufficient bytes");
  EXPECT_EQ(with_tokens("\xdf\xff\xff\xff\xff"), "invalid msgpack: map size overflow");
  EXPECT_EQ(with_tokens(std::string(100, '\x91')), "invalid msgpack: depth size overflow");
  EXPECT_EQ(with_tokens(pack::array(std::vector<std::string>(257, pack::integer(1)))),
            "field 'tokens' has 257 elements, at most 256 are allowed");
  EXPECT_EQ(with_tokens(pack::array({pack::integer(int64_t{1} << 31)})),
            "field 'tokens' is 2147483648, expected -2147483648 to 2147483647");
}

TEST(HostileArchive, HeadersAreChecked) {
  EXPECT_EQ(reason_for_header(raw_header()),
            "x: damaged at byte " + std::to_string(kStart.size()) + ": " + kCut);
  EXPECT_EQ(reason_for_header(raw_header().with("layers", pack::integer(5000))),
            "layout of 5000 layers, 1 kv heads, head_dim 2 is out of range");
  EXPECT_EQ(reason_for_header(raw_header().with("layers", pack::integer(-1))),
            "field 'layers' is -1, expected 0 to 1048576");
  EXPECT_EQ(reason_for_header(raw_header().with("kv_heads", pack::integer(0))),
            "layout of 1 layers, 0 kv heads, head_dim 2 is out of range");
  EXPECT_EQ(
      reason_for_header(
          raw_header().with("head_dim", pack::integer(65536)).with("layers", pack::integer(4096))),
      "layout needs 274877906944 bytes for 256 tokens, at most 1073741824 are possible");
  EXPECT_EQ(reason_for_header(raw_header().with("version", pack::integer(2))),
            "x: archive version 2, this libkvs reads version 1");
  EXPECT_EQ(reason_for_header(raw_header().with("dtype", pack::text("f\n8"))),
            "x: dtype 'f\\x0a8' is not known to this libkvs");
  EXPECT_EQ(reason_for_header(raw_header().without("time")), "field 'time' is missing");
}

TEST(HostileArchive, KvRecordsAreChecked) {
  EXPECT_EQ(reason_for(raw_kv().with("codec", pack::text("q9"))),
            "x: codec 'q9' is not known to this libkvs");
  EXPECT_EQ(reason_for(raw_kv().with("id", pack::binary("short"))), "field 'id' has not 16 bytes");
  EXPECT_EQ(reason_for(raw_kv().with("home", pack::text("1"))), "field 'home' is not an integer");
  EXPECT_EQ(reason_for(raw_kv().with("home", pack::integer(int64_t{1} << 31))),
            "field 'home' is 2147483648, expected 0 to 2147483647");
  EXPECT_EQ(reason_for(raw_kv().with("exact", pack::integer(1))), "field 'exact' is not a boolean");
  EXPECT_EQ(reason_for(raw_kv().with("data", pack::array({pack::binary("KKKK")}))),
            "field 'data' has 1 binaries, expected 2");
  EXPECT_EQ(
      reason_for(raw_kv().with("data", pack::array({pack::binary("KKKK"), pack::binary("VVVVV")}))),
      "field 'data' has a binary of 5 bytes, expected 4");
  EXPECT_EQ(reason_for(raw_kv().with("scales", pack::array({pack::binary("S")}))),
            "field 'scales' has 1 binaries, expected 0");
  EXPECT_EQ(reason_for(raw_kv()
                           .with("codec", pack::text("shuffle"))
                           .with("data", pack::array({pack::binary("01234567")}))),
            "field 'data' has 1 binaries, expected 2");
}

TEST(HostileArchive, RecordsAreMapsOfOneKindEach) {
  EXPECT_EQ(reason(kStart, frame(pack::array({}))), "record is not a msgpack map");
  EXPECT_EQ(reason(kStart, frame("")), "invalid msgpack: insufficient bytes");
  EXPECT_EQ(reason(kStart, frame(raw_kv().bytes() + "x")), "1 bytes after the record");
  EXPECT_EQ(reason_for(raw_kv().with("t", pack::text("image"))), "unknown record 'image'");
  EXPECT_EQ(reason_for(raw_kv().with_repeated("home", pack::integer(1))),
            "field 'home' occurs twice");
  EXPECT_EQ(reason(kStart, frame(raw_kv().bytes(), /*checksum=*/false)), "frame without checksum");
}

TEST(HostileArchive, UnknownFieldsAreLeftToLaterVersions) {
  const ReadResult result =
      read_bytes_as_archive(frame(raw_header().with("new", pack::array({pack::integer(1)}))));

  EXPECT_EQ(result.records.size(), 1u);
}

TEST(HostileArchive, ATableCannotPassOneRecordOffAsAnother) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "archive_hostile_test.kva";
  write_sample(path);
  std::string bytes = read_bytes(path);
  std::filesystem::remove(path);
  const auto table = static_cast<size_t>(read_bytes_as_archive(bytes).end_of_records);
  const Hash128 false_id{7, 7};
  const auto id_bytes = to_bytes(false_id);
  std::memcpy(bytes.data() + table + 8 + 40 + 24, id_bytes.data(), 16);  // of the first kv
  const auto seal = to_bytes(hash_bytes(bytes.data() + table, bytes.size() - 20 - table));
  std::memcpy(bytes.data() + bytes.size() - 20, seal.data(), 16);
  const MemoryFile memory(bytes);

  const ReadResult in_order = read_bytes_as_archive(bytes);
  const ArchiveFile file(memory.path());
  const Error e = error_of([&] { file.read_kv(0, false_id); });

  EXPECT_TRUE(
      std::string(in_order.error.value().what()).ends_with("the table of offsets is wrong"));
  EXPECT_TRUE(file.members()[0].table);
  EXPECT_EQ(e.kind(), ErrorKind::format);
  EXPECT_TRUE(std::string(e.what()).ends_with(": another kv record than the table says"));
}

}  // namespace
}  // namespace kvs::test
