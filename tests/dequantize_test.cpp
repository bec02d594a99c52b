#include "kvs/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/half.h"
#include "kvs/gguf.h"

namespace kvs::test {
namespace {

class Dequantize : public ::testing::TestWithParam<std::string> {};

// scripts/make_golden_quants.py says where the expected values come from.
TEST_P(Dequantize, GivesTheBitsOfTheReference) {
  const GgufFile file(KVS_TEST_DATA "/quants.gguf");
  const StoredTensor* blocks = file.find_tensor(GetParam());
  const StoredTensor* expected = file.find_tensor(GetParam() + ".expected");
  ASSERT_NE(blocks, nullptr);
  ASSERT_NE(expected, nullptr);
  const int64_t count = expected->shape[0] * expected->shape[1];

  std::vector<float> out(count);
  dequantize(blocks->type, blocks->data, count, out.data());

  EXPECT_EQ(tensor_type_name(blocks->type), GetParam());
  EXPECT_EQ(count, 1024);
  for (int64_t at = 0; at < count; ++at) {
    float value = 0;
    std::memcpy(&value, expected->data + at * sizeof(float), sizeof value);
    ASSERT_EQ(out[at], value) << "element " << at;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Dequantize,
                         ::testing::Values("f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1",
                                           "q4_k", "q5_k", "q6_k"),
                         [](const auto& param) { return param.param; });

TEST(Dequantize, CopiesPlainFloatsFromAnyAddress) {
  const std::vector<float> values{1.5F, -0.0F, 3e38F};
  std::vector<std::byte> bytes(1 + values.size() * sizeof(float));
  std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(float));

  std::vector<float> out(values.size());
  dequantize(TensorType::f32, bytes.data() + 1, 3, out.data());

  EXPECT_EQ(out, values);
}

TEST(Dequantize, DoesNothingForNoElements) {
  for (const TensorType type :
       {TensorType::f32, TensorType::f16, TensorType::q4_0, TensorType::q6_k})
    dequantize(type, nullptr, 0, nullptr);
}

// The definition: sign, exponent biased by 15, ten bits of fraction.
TEST(Half, ConvertsEveryNumberExactly) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f16_to_f32(static_cast<uint16_t>(bits));
    const int exponent = bits >> 10 & 31;
    const int fraction = bits & 1023;
    if (exponent == 31 && fraction != 0) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      continue;
    }
    double expected =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) expected = HUGE_VAL;
    EXPECT_EQ(value, bits & 0x8000 ? -expected : expected) << bits;
    EXPECT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
  }
}

TEST(TensorTypes, SayHowManyBytesElementsTake) {
  EXPECT_EQ(find_tensor_bytes(TensorType::q4_1, 64), 40);
  EXPECT_EQ(find_tensor_bytes(TensorType::q6_k, 256), 210);
  EXPECT_EQ(find_tensor_bytes(TensorType::f32, 0), 0);
  EXPECT_FALSE(find_tensor_bytes(TensorType::q4_1, 65));
  EXPECT_FALSE(find_tensor_bytes(TensorType::f32, INT64_MAX / 2));
  EXPECT_FALSE(find_product(-1, 1));
}

}  // namespace
}  // namespace kvs::test
