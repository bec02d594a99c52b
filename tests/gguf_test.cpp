#include "kvs/gguf.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/errors.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ80 = 8;

class Gguf : public ::testing::Test {
 protected:
  GgufFile open(const std::string& bytes) { return GgufFile(folder_.write("m.gguf", bytes)); }

  /// The message of the error that opening these bytes raises, without the folder.
  std::string message(const std::string& bytes) {
    const Error e = error_of([&] { open(bytes); });
    EXPECT_EQ(e.kind(), ErrorKind::format);
    const std::string folder = folder_.path().string() + "/";
    const std::string what = e.what();
    EXPECT_TRUE(what.starts_with(folder)) << what;
    return what.substr(std::min(folder.size(), what.size()));
  }

  TemporaryFolder folder_;
};

const std::byte* end_of(const GgufFile& file, size_t bytes) {
  return reinterpret_cast<const std::byte*>(file.header_bytes().data()) + bytes;
}

GgufBuilder small() {
  GgufBuilder builder;
  builder.text("general.architecture", "llama").number("llama.block_count", 2).real("eps", 0.5F);
  builder.pair("flag", 7, raw(uint8_t{1}));
  builder.pair("words", 9, raw(8U) + raw(uint64_t{2}) + raw_string("a") + raw_string("bc"));
  builder.pair("numbers", 9, raw(5U) + raw(uint64_t{2}) + raw(int32_t{-1}) + raw(int32_t{7}));
  builder.pair("scores", 9, raw(6U) + raw(uint64_t{1}) + raw(2.5F));
  builder.pair("flags", 9, raw(7U) + raw(uint64_t{2}) + raw(uint8_t{0}) + raw(uint8_t{1}));
  builder.tensor("x", {3, 2}, kF32, std::string(24, 'x'));
  builder.tensor("y", {32}, kQ80, std::string(34, 'y'));
  return builder;
}

TEST_F(Gguf, ReadsARealModel) {
  const GgufFile file(KVS_TEST_DATA "/stories260K.gguf");

  const StoredTensor* embedding = file.find_tensor("token_embd.weight");

  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->shape, (std::vector<int64_t>{512, 64}));
  EXPECT_EQ(embedding->type, TensorType::f32);
  EXPECT_EQ(file.tensors().size(), 48U);
  EXPECT_EQ(file.get_string("general.architecture"), "llama");
  EXPECT_EQ(file.get_int("llama.context_length"), 2048);
  EXPECT_EQ(file.string_array("tokenizer.ggml.tokens").size(), 512U);
  EXPECT_EQ(file.string_array("tokenizer.ggml.tokens")[1], "<s>");
  float first = 0;
  std::memcpy(&first, embedding->data, sizeof first);
  EXPECT_FLOAT_EQ(first, -0.29474878F);
}

TEST_F(Gguf, ReadsEveryKindOfMetadata) {
  const GgufFile file = open(small().bytes());

  EXPECT_EQ(file.get_float("eps"), 0.5);
  EXPECT_TRUE(file.get_bool("flag"));
  EXPECT_EQ(file.string_array("words"), (std::vector<std::string_view>{"a", "bc"}));
  EXPECT_EQ(file.int_array("numbers"), (std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(file.float_array("scores"), (std::vector<float>{2.5F}));
  EXPECT_EQ(file.bool_array("flags"), (std::vector<bool>{false, true}));
  EXPECT_FALSE(file.find_int("absent"));
  EXPECT_TRUE(file.string_array("absent").empty());
  EXPECT_TRUE(file.has("eps"));
}

TEST_F(Gguf, ReadsIntegersOfEveryWidth) {
  GgufBuilder builder;
  builder.pair("u8", 0, raw(uint8_t{200})).pair("i8", 1, raw(int8_t{-2}));
  builder.pair("u16", 2, raw(uint16_t{60000})).pair("i16", 3, raw(int16_t{-3}));
  builder.pair("u64", 10, raw(uint64_t{1} << 40)).pair("i64", 11, raw(int64_t{-5}));
  builder.pair("huge", 10, raw(~uint64_t{0})).pair("f64", 12, raw(0.25));
  const GgufFile file = open(builder.bytes());

  EXPECT_EQ(file.get_int("u8"), 200);
  EXPECT_EQ(file.get_int("i8"), -2);
  EXPECT_EQ(file.get_int("u16"), 60000);
  EXPECT_EQ(file.get_int("i16"), -3);
  EXPECT_EQ(file.get_int("u64"), int64_t{1} << 40);
  EXPECT_EQ(file.get_int("i64"), -5);
  EXPECT_EQ(file.get_float("f64"), 0.25);
  EXPECT_EQ(error_of([&] { file.get_int("huge"); }).what(),
            file.path() + ": metadata 'huge' is 18446744073709551615, expected at most 2^63 - 1");
}

TEST_F(Gguf, GivesShapesOutermostFirst) {
  const GgufFile file = open(small().bytes());

  EXPECT_EQ(file.find_tensor("x")->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.find_tensor("x")->bytes, 24);
  EXPECT_EQ(file.find_tensor("y")->type, TensorType::q8_0);
  EXPECT_EQ(static_cast<char>(file.find_tensor("y")->data[33]), 'y');
  EXPECT_EQ(file.find_tensor("z"), nullptr);
}

TEST_F(Gguf, OpensAVocabularyWithoutTensors) {
  GgufBuilder builder;
  builder.text("tokenizer.ggml.model", "gpt2");

  EXPECT_TRUE(open(builder.bytes()).tensors().empty());
}

TEST_F(Gguf, NamesKeyAndTypesOfAMismatch) {
  const GgufFile file = open(small().bytes());
  const std::string path = file.path();

  EXPECT_EQ(error_of([&] { file.get_int("eps"); }).what(),
            path + ": metadata 'eps': expected integer, found float32");
  EXPECT_EQ(error_of([&] { file.get_string("words"); }).what(),
            path + ": metadata 'words': expected single value, found array of string");
  EXPECT_EQ(error_of([&] { file.float_array("numbers"); }).what(),
            path + ": metadata 'numbers': expected float, found array of int32");
  EXPECT_EQ(error_of([&] { file.get_int("absent"); }).what(),
            path + ": metadata 'absent' is missing");
}

TEST_F(Gguf, NoticesEveryTruncation) {
  const std::string bytes = small().bytes();

  const std::filesystem::path path = folder_.write("m.gguf", bytes);
  for (size_t length = bytes.size(); length-- > 0;) {
    std::filesystem::resize_file(path, length);
    EXPECT_EQ(error_of([&] { GgufFile{path}; }).kind(), ErrorKind::format) << length;
  }
}

TEST_F(Gguf, SurvivesEveryDamagedByte) {
  const std::string bytes = small().bytes();
  const std::filesystem::path path = folder_.write("m.gguf", bytes);

  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char damage : {'\x00', '\x01', '\x7f', '\xff'}) {
      TemporaryFolder::set_byte(path, at, damage);
      try {
        const GgufFile file(path);
        for (const StoredTensor& tensor : file.tensors())
          EXPECT_LE(tensor.data + tensor.bytes, end_of(file, bytes.size()));
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::format) << at;
      }
    }
    TemporaryFolder::set_byte(path, at, bytes[at]);
  }
}

TEST_F(Gguf, NamesWhatIsNotAModel) {
  const std::filesystem::path none = folder_.path() / "none.gguf";

  EXPECT_EQ(error_of([&] { GgufFile{none}; }).what(),
            none.string() + ": No such file or directory");
  EXPECT_EQ(error_of([&] { GgufFile{folder_.path()}; }).what(),
            folder_.path().string() + ": Is a directory");
  EXPECT_EQ(error_of([&] { GgufFile{"/dev/null"}; }).what(),
            std::string("/dev/null: not a regular file"));
  EXPECT_EQ(message(""), "m.gguf: empty file, expected a GGUF model");
  EXPECT_EQ(message("# a text file\n"),
            "m.gguf: not a GGUF model: expected 'GGUF' at the start, found '# a '");
}

TEST_F(Gguf, RefusesOtherVersions) {
  GgufBuilder builder = small();
  builder.version = 1;
  EXPECT_EQ(message(builder.bytes()), "m.gguf: GGUF version 1, expected 2 or 3");

  builder.version = 0x03000000;
  EXPECT_EQ(message(builder.bytes()), "m.gguf: big-endian GGUF, expected little-endian");
}

TEST_F(Gguf, BoundsCountsByTheFile) {
  GgufBuilder builder;
  builder.tensors = uint64_t{1} << 60;
  EXPECT_EQ(
      message(builder.bytes()),
      "m.gguf: the number of tensors is 1152921504606846976, expected at most 0 in the 8 bytes "
      "left");

  GgufBuilder array;
  array.pair("a", 9, raw(4U) + raw(~uint64_t{0}));
  EXPECT_EQ(
      message(array.bytes()),
      "m.gguf: the length of metadata 'a' is 18446744073709551615, expected at most 0 in the 0 "
      "bytes left");
}

TEST_F(Gguf, BoundsStringsByTheFile) {
  GgufBuilder builder;
  builder.pair("a", 8, raw(~uint64_t{0} - 7));

  EXPECT_EQ(
      message(builder.bytes()),
      "m.gguf: truncated in metadata 'a' at byte 45: expected 18446744073709551608 more bytes, "
      "found 0");
}

TEST_F(Gguf, NamesUnknownTensorTypes) {
  const std::string expected =
      "expected f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k or q6_k";
  EXPECT_EQ(message(GgufBuilder().entry("w", {32}, 17, 0).bytes()),
            "m.gguf: tensor 'w' has type iq2_xs (17), " + expected);
  EXPECT_EQ(message(GgufBuilder().entry("w", {32}, 4096, 0).bytes()),
            "m.gguf: tensor 'w' has type unknown (4096), " + expected);
}

TEST_F(Gguf, RefusesAbsurdShapes) {
  const std::string reason = ", expected at least 1 and a product below 2^63";
  const auto shape = [&](const std::vector<uint64_t>& extents) {
    return message(GgufBuilder().entry("w", extents, kF32, 0).bytes());
  };

  EXPECT_EQ(shape({0}), "m.gguf: tensor 'w' has an extent of 0" + reason);
  EXPECT_EQ(shape({~uint64_t{0}}),
            "m.gguf: tensor 'w' has an extent of 18446744073709551615" + reason);
  EXPECT_EQ(shape({1U << 31, 1U << 31, 4}), "m.gguf: tensor 'w' has an extent of 4" + reason);
  EXPECT_EQ(shape({uint64_t{1} << 62}), "m.gguf: tensor 'w' has over 2^63 bytes");
  EXPECT_EQ(shape({}), "m.gguf: tensor 'w' has 0 dimensions, expected 1 to 4");
  EXPECT_EQ(shape({1, 1, 1, 1, 1}), "m.gguf: tensor 'w' has 5 dimensions, expected 1 to 4");
  EXPECT_EQ(message(GgufBuilder().entry("w", {33}, kQ80, 0).bytes()),
            "m.gguf: tensor 'w' has rows of 33 elements, expected a multiple of 32 for type q8_0");
}

TEST_F(Gguf, RefusesTensorsOutsideTheData) {
  EXPECT_EQ(
      message(GgufBuilder().entry("w", {2}, kF32, 64).bytes()),
      "m.gguf: truncated in tensor 'w': expected 8 bytes at offset 64 of the data, found 0 bytes "
      "of data");
  EXPECT_EQ(message(GgufBuilder().entry("w", {2}, kF32, 7).bytes()),
            "m.gguf: tensor 'w' starts at offset 7, expected a multiple of 32");
  EXPECT_EQ(
      message(GgufBuilder().entry("w", {2}, kF32, ~uint64_t{31}).bytes()),
      "m.gguf: truncated in tensor 'w': expected 8 bytes at offset 18446744073709551584 of the "
      "data, found 0 bytes of data");
}

TEST_F(Gguf, RefusesWhatOccursTwice) {
  EXPECT_EQ(message(GgufBuilder().number("k", 1).number("k", 2).bytes()),
            "m.gguf: metadata 'k' occurs twice");
  const std::string four(4, 'x');
  EXPECT_EQ(
      message(GgufBuilder().tensor("w", {1}, kF32, four).tensor("w", {1}, kF32, four).bytes()),
      "m.gguf: tensor 'w' occurs twice");
}

TEST_F(Gguf, RefusesUnusableAlignments) {
  for (const uint32_t alignment : {0U, 3U, 1U << 30}) {
    GgufBuilder builder;
    builder.number("general.alignment", alignment);
    EXPECT_EQ(
        message(builder.bytes()),
        fmt::format("m.gguf: metadata 'general.alignment' is {}, expected a power of two up to "
                    "1048576",
                    alignment));
  }
}

TEST_F(Gguf, HonoursTheAlignmentOfTheFile) {
  GgufBuilder builder;
  builder.alignment = 64;
  builder.number("general.alignment", 64);
  builder.tensor("a", {1}, kF32, "aaaa").tensor("b", {1}, kF32, "bbbb");

  const GgufFile file = open(builder.bytes());

  EXPECT_EQ(file.find_tensor("b")->data - file.find_tensor("a")->data, 64);
  EXPECT_EQ(static_cast<char>(*file.find_tensor("b")->data), 'b');
}

TEST_F(Gguf, KeepsMessagesOnOneLine) {
  EXPECT_EQ(message(GgufBuilder().entry("a\nb\xff", {0}, kF32, 0).bytes()).substr(0, 31),
            "m.gguf: tensor 'a\\x0ab\\xff' has");
}

TEST_F(Gguf, RefusesUnknownValueTypesAndNestedArrays) {
  EXPECT_EQ(message(GgufBuilder().pair("k", 13, "").bytes()),
            "m.gguf: metadata 'k' has value type 13, expected 0 to 12");
  EXPECT_EQ(message(GgufBuilder().pair("k", 9, raw(9U) + raw(uint64_t{0})).bytes()),
            "m.gguf: metadata 'k' is an array of arrays, expected plain elements");
}

}  // namespace
}  // namespace kvs::test
