#include "model/safetensors.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/model_bytes.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

constexpr std::string_view kHeader =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},)"
    R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
    R"("ids":{"dtype":"I64","shape":[1],"data_offsets":[28,36]},)"
    R"("none":{"dtype":"BF16","shape":[0],"data_offsets":[36,36]}})";

class Safetensors : public ::testing::Test {
 protected:
  SafetensorsFile open(std::string_view header, size_t data_bytes) {
    return SafetensorsFile(
        folder_.write("m.safetensors", safetensors_bytes(header, std::string(data_bytes, 'd'))));
  }

  /// The message of the error that opening this raises, without the folder.
  std::string message(std::string_view header, size_t data_bytes) {
    const Error e = error_of([&] { open(header, data_bytes); });
    EXPECT_EQ(e.kind(), ErrorKind::format);
    return std::string(e.what()).substr(folder_.path().string().size() + 1);
  }

  TemporaryFolder folder_;
};

TEST_F(Safetensors, FindsTensorsAndTheirData) {
  const SafetensorsFile file = open(kHeader, 36);

  const StoredTensor* a = file.find_tensor("a");
  const StoredTensor* b = file.find_tensor("b");

  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(a->type, TensorType::f32);
  EXPECT_EQ(a->bytes, 24);
  EXPECT_EQ(b->data - a->data, 24);
  EXPECT_EQ(file.find_tensor("none")->bytes, 0);
  EXPECT_EQ(file.find_tensor("absent"), nullptr);
  EXPECT_EQ(file.tensors().size(), 3U);
}

TEST_F(Safetensors, NamesATypeThatCannotBeReadOnceItIsAskedFor) {
  const SafetensorsFile file = open(kHeader, 36);

  EXPECT_EQ(error_of([&] { file.find_tensor("ids"); }).what(),
            file.path() + ": tensor 'ids' has type I64, expected F32, F16 or BF16");
}

TEST_F(Safetensors, NoticesEveryTruncation) {
  const std::string bytes = safetensors_bytes(kHeader, std::string(36, 'd'));

  const auto path = folder_.write("t.safetensors", bytes);
  for (size_t length = bytes.size(); length-- > 0;) {
    std::filesystem::resize_file(path, length);
    EXPECT_EQ(error_of([&] { SafetensorsFile{path}; }).kind(), ErrorKind::format) << length;
  }
}

TEST_F(Safetensors, SurvivesEveryDamagedByte) {
  const std::string bytes = safetensors_bytes(kHeader, std::string(36, 'd'));
  const auto path = folder_.write("d.safetensors", bytes);

  for (size_t at = 0; at < 8 + kHeader.size(); ++at) {
    for (const char damage : {'\x00', '9', '"', '[', '\xff'}) {
      TemporaryFolder::set_byte(path, at, damage);
      try {
        const SafetensorsFile file(path);
        for (const auto& [name, tensor] : file.tensors()) EXPECT_LE(tensor.bytes, 36) << name;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::format) << at;
      }
    }
    TemporaryFolder::set_byte(path, at, bytes[at]);
  }
}

TEST_F(Safetensors, BoundsTheHeaderByTheFile) {
  const auto path = folder_.write("m.safetensors", raw(~uint64_t{0}) + "{}");

  EXPECT_EQ(error_of([&] { SafetensorsFile{path}; }).what(),
            path.string() +
                ": truncated, or no safetensors file: the header has 18446744073709551615 bytes, "
                "expected at most 2");
}

TEST_F(Safetensors, RefusesTensorsOutsideTheData) {
  EXPECT_EQ(
      message(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4),
      "m.safetensors: tensor 'a': 'data_offsets' is [0, 8], expected two within the 4 bytes of "
      "data");
  EXPECT_EQ(
      message(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8),
      "m.safetensors: tensor 'a': 'data_offsets' is [8, 0], expected two within the 8 bytes of "
      "data");
}

TEST_F(Safetensors, RefusesShapesThatDoNotFit) {
  EXPECT_EQ(message(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8),
            "m.safetensors: tensor 'a': 8 bytes, expected those of 3 elements of type F32");
  EXPECT_EQ(
      message(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", 8),
      "m.safetensors: tensor 'a': 'shape' is [4294967296, 4294967296], expected a product below "
      "2^63");
  EXPECT_EQ(message(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}})", 8),
            "m.safetensors: tensor 'a': 'shape' holds -1, expected integers from 0");
}

TEST_F(Safetensors, RefusesHolesAndOverlaps) {
  EXPECT_EQ(message(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8),
            "m.safetensors: tensor 'a' starts at offset 4, expected 0");
  EXPECT_EQ(message(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8),
            "m.safetensors: 8 bytes of data, expected 4");
  EXPECT_EQ(message(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                    4),
            "m.safetensors: tensor 'b' starts at offset 0, expected 4");
}

TEST_F(Safetensors, NamesFieldsThatAreMissingOrOfAnotherType) {
  EXPECT_EQ(message(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4),
            "m.safetensors: tensor 'a': 'dtype' is missing, expected a string");
  EXPECT_EQ(message(R"({"a":[]})", 4), "m.safetensors: tensor 'a' is array, expected an object");
  EXPECT_EQ(message(R"([])", 4), "m.safetensors: the header is array, expected an object");
  EXPECT_EQ(message(R"({"a":)", 4), "m.safetensors: header: not valid JSON at byte 6");
}

}  // namespace
}  // namespace kvs::test
