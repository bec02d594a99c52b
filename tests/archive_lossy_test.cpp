#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/half.h"
#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

struct StoredLossily {
  DType type;
  KvCodec codec;
  int count;
};

class LossyKv : public testing::TestWithParam<StoredLossily> {
 protected:
  KvRecord read_back(const KvRecord& record) {
    ArchiveWriter writer(path, header);
    writer.add(record);
    writer.finish();
    return ArchiveFile(path).read_kv(0, record.id);
  }

  double value(const KvRecord& record, int layer, bool key, size_t at) const {
    const auto bytes = key ? record.layers[layer].k : record.layers[layer].v;
    const DType type = header.layout.type;
    const size_t width = element_bytes(type);
    uint32_t bits = 0;
    std::memcpy(&bits, bytes.data() + at * width, width);
    const auto half = static_cast<uint16_t>(bits);
    return type == DType::f16    ? f16_to_f32(half)
           : type == DType::bf16 ? bf16_to_f32(half)
                                 : std::bit_cast<float>(bits);
  }

  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "x.kva";
  ArchiveHeader header = sample_header(GetParam().type);
};

TEST_P(LossyKv, CarriesTheErrorThatItHas) {
  const auto [type, codec, count] = GetParam();
  const KvRecord record = sample_kv(header, 7, count, codec);

  const KvRecord back = read_back(record);

  double squares = 0, errors = 0, largest = 0;
  for (int layer = 0; layer < header.layout.layers; ++layer)
    for (const bool key : {true, false})
      for (size_t at = 0; at < size_t(8) * count; ++at) {
        const double original = value(record, layer, key, at);
        const double error = value(back, layer, key, at) - original;
        squares += original * original;
        errors += error * error;
        largest = std::max(largest, std::abs(error));
      }
  EXPECT_NEAR(back.error, std::sqrt(errors / squares), 1e-6 * back.error);
  EXPECT_EQ(back.max_error, largest);
  EXPECT_LT(back.error, codec == KvCodec::q8 ? 0.03 : 0.25);
  EXPECT_FALSE(back.exact);
}

INSTANTIATE_TEST_SUITE_P(Of, LossyKv, testing::ValuesIn([] {
                           std::vector<StoredLossily> kinds;
                           for (const DType type : {DType::f16, DType::bf16, DType::f32})
                             for (const KvCodec codec : {KvCodec::q8, KvCodec::q4})
                               for (const int count : {1, 65, 256})
                                 kinds.push_back({type, codec, count});
                           return kinds;
                         }()),
                         [](const auto& test) {
                           return fmt::format("{}_{}_{}", dtype_name(test.param.type),
                                              codec_name(test.param.codec), test.param.count);
                         });

TEST(LossyRecords, AreRefusedWhereTheySayTooMuch) {
  const TemporaryFolder folder;
  const auto reason = [&](DType type, const auto& change) {
    const ArchiveHeader header = sample_header(type);
    KvRecord record = sample_kv(header, 1, 3, KvCodec::q4);
    change(record);
    ArchiveWriter writer(folder.path() / "x", header);
    const Error error = error_of([&] { writer.add(record); });
    EXPECT_EQ(error.kind(), ErrorKind::argument);
    const std::string what = error.what();
    return what.substr(what.find(": ", what.find("kv ")) + 2);
  };

  EXPECT_EQ(reason(DType::f16, [](KvRecord& record) { record.exact = true; }),
            "rows of codec q4 are not exact");
  EXPECT_EQ(reason(DType::q8, [](KvRecord&) {}), "codec q4 of q8 keys and values");
  EXPECT_EQ(reason(DType::f16, [](KvRecord& record) { record.storage[1] = std::byte{0x7c}; }),
            "not all keys and values are finite, as codec q4 needs");
}

TEST(Half, RoundsToTheNearestOfAllNumbers) {
  for (uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = f16_to_f32(static_cast<uint16_t>(bits));
    const float high = f16_to_f32(static_cast<uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;
    ASSERT_EQ(f32_to_f16(low), bits);
    ASSERT_EQ(f32_to_f16(-low), bits | 0x8000);
    ASSERT_EQ(f32_to_f16(middle), bits + bits % 2);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, low)), bits);
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, high)), bits + 1);
  }
  EXPECT_EQ(f32_to_f16(1e9F), 0x7bff);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7f7f);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000U)), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000U)), 0x3f82);
}

}  // namespace
}  // namespace kvs::test
