#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "support/level_test.h"

namespace kvs::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class Simd : public LevelTest {
 protected:
  cpu::SimdProbe probe() const { return GetParam().probe(); }
};
INSTANTIATE_TEST_SUITE_P(At, Simd, testing::ValuesIn(test_levels()), level_test_name);

float from_bits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

// Distance in units of the last place of the double result, at f32's precision.
double ulps(float got, double want) {
  int exponent = 0;
  std::frexp(want, &exponent);
  return std::abs(got - want) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

TEST_P(Simd, ExpIsWithinTwoUnitsOfTheLastPlace) {
  std::vector<float> x;
  for (float v = -103; v < 88.7F; v += 0.00113F) x.push_back(v);
  std::vector<float> y(x.size(), kNan);

  probe().exp(y.data(), x.data(), static_cast<int64_t>(x.size()));

  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, ulps(y[i], std::exp(static_cast<double>(x[i]))));
  EXPECT_LT(worst, 2);
}

TEST_P(Simd, ExpKeepsInfinityAndNan) {
  const std::vector<float> x{kInf, -kInf, kNan, 1e30F, -1e30F, 89, -120, 0};
  std::vector<float> y(x.size());

  probe().exp(y.data(), x.data(), static_cast<int64_t>(x.size()));

  EXPECT_EQ(y[0], kInf);
  EXPECT_EQ(y[1], 0);
  EXPECT_TRUE(std::isnan(y[2]));
  EXPECT_EQ(y[3], kInf);
  EXPECT_EQ(y[4], 0);
  EXPECT_EQ(y[5], kInf);
  EXPECT_EQ(y[6], 0);
  EXPECT_EQ(y[7], 1);
}

TEST_P(Simd, ReadsAndWritesNoLaneBeyondTheCount) {
  for (int64_t count = 0; count <= 35; ++count) {
    const std::vector<float> x(static_cast<size_t>(count), 2.4F);  // exact size: asan sees more
    std::vector<float> y(static_cast<size_t>(count) + 20, -1.0F);

    probe().round(y.data(), x.data(), count);

    for (int64_t i = 0; i < count + 20; ++i) ASSERT_EQ(y[i], i < count ? 2 : -1) << count;
  }
}

TEST_P(Simd, RoundsTiesToEven) {
  const std::vector<float> x{0.5F, 1.5F, -0.5F, -2.5F, 3.4999F, -3.51F, 126.5F, 0};
  std::vector<float> y(x.size());

  probe().round(y.data(), x.data(), static_cast<int64_t>(x.size()));

  EXPECT_EQ(y, (std::vector<float>{0, 2, 0, -2, 3, -4, 126, 0}));
}

TEST_P(Simd, EveryF16SurvivesTheRoundTrip) {
  std::vector<uint16_t> half(65536), back(65536);
  for (size_t i = 0; i < half.size(); ++i) half[i] = static_cast<uint16_t>(i);
  std::vector<float> wide(half.size());

  probe().from_f16(wide.data(), half.data(), 65536);
  probe().to_f16(back.data(), wide.data(), 65536);

  for (size_t i = 0; i < half.size(); ++i) {
    const bool is_nan = (i & 0x7C00) == 0x7C00 && (i & 0x3FF) != 0;
    const int exponent = static_cast<int>(i >> 10 & 31);
    const double fraction = static_cast<double>(i & 1023) / 1024;
    const double magnitude = exponent == 0    ? std::ldexp(fraction, -14)
                             : exponent == 31 ? kInf
                                              : std::ldexp(1 + fraction, exponent - 15);
    if (is_nan) {
      ASSERT_TRUE(std::isnan(wide[i])) << i;
      ASSERT_EQ(back[i] & 0x7C00, 0x7C00) << i;
      ASSERT_NE(back[i] & 0x3FF, 0) << i;
    } else {
      ASSERT_EQ(wide[i], i & 0x8000 ? -magnitude : magnitude) << i;
      ASSERT_EQ(back[i], half[i]) << i;
    }
  }
}

TEST_P(Simd, F16RoundsToNearestEven) {
  const std::vector<float> x{
      1 + 1 / 2048.0F, 1 + 3 / 2048.0F, 65519, 65520,    1e10F, -1e10F, 5.9604645e-8F, 2.98e-8F,
      2e-8F,           6.09e-5F,        -0.0F, 1 / 3.0F, 0.1F,  -70000, 1e-9F,         2049};
  const std::vector<uint16_t> want{0x3C00, 0x3C02, 0x7BFF, 0x7C00, 0x7C00, 0xFC00, 0x0001, 0x0000,
                                   0x0000, 0x03FE, 0x8000, 0x3555, 0x2E66, 0xFC00, 0x0000, 0x6800};
  std::vector<uint16_t> got(x.size());

  probe().to_f16(got.data(), x.data(), static_cast<int64_t>(x.size()));

  EXPECT_EQ(got, want);
}

TEST_P(Simd, Bf16RoundsToNearestEven) {
  const std::vector<uint32_t> bits{0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001,
                                   0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x80000000,
                                   0x00800000, 0x3EAAAAAB, 0xC2F6E979, 0x7F800001,
                                   0x3F7F7FFF, 0x3F7F8000, 0x42280000, 0};
  const std::vector<uint16_t> want{0x3F80, 0x3F80, 0x3F82, 0x3F81, 0x7F80, 0x7F80, 0xFF80, 0x8000,
                                   0x0080, 0x3EAB, 0xC2F7, 0x7FC0, 0x3F7F, 0x3F80, 0x4228, 0x0000};
  std::vector<float> x, back(bits.size());
  for (uint32_t b : bits) x.push_back(from_bits(b));
  std::vector<uint16_t> got(bits.size());

  probe().to_bf16(got.data(), x.data(), static_cast<int64_t>(x.size()));
  probe().from_bf16(back.data(), got.data(), static_cast<int64_t>(x.size()));

  EXPECT_EQ(got, want);
  for (size_t i = 0; i < want.size(); ++i) {
    const float same = from_bits(static_cast<uint32_t>(want[i]) << 16);
    EXPECT_TRUE(std::isnan(same) ? std::isnan(back[i]) : back[i] == same) << i;
  }
}

TEST_P(Simd, EveryInt8SurvivesTheRoundTrip) {
  std::vector<int8_t> whole(256), back(256);
  for (int i = 0; i < 256; ++i) whole[i] = static_cast<int8_t>(i == 128 ? 0 : i);
  std::vector<float> wide(256);

  probe().from_i8(wide.data(), whole.data(), 256);
  probe().to_i8(back.data(), wide.data(), 256);

  for (int i = 0; i < 256; ++i) ASSERT_EQ(wide[i], whole[i]);
  EXPECT_EQ(back, whole);
}

TEST_P(Simd, ReducesAllLanes) {
  for (int lane = 0; lane < probe().width; ++lane) {
    std::vector<float> x(16);
    for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(-i);
    x[lane] = 100;
    float expected = 0;
    for (int i = 0; i < probe().width; ++i) expected += x[i];

    EXPECT_EQ(probe().max_lane(x.data()), 100);
    EXPECT_EQ(probe().sum(x.data()), expected);
  }
}

TEST_P(Simd, MaxReturnsTheSecondOperandWhereEitherIsNan) {
  std::vector<float> x(16, 3), y(16, 2), out(16);
  x[0] = kNan;
  y[1] = kNan;

  probe().max(out.data(), x.data(), y.data());

  EXPECT_EQ(out[0], 2);
  EXPECT_TRUE(std::isnan(out[1]));
  EXPECT_EQ(out[2], 3);
}

TEST_P(Simd, TakesTheFirstLanesFromTheFirstVector) {
  const std::vector<float> x(16, 1), y(16, 2);
  for (int count = 0; count <= probe().width; ++count) {
    std::vector<float> out(16);

    probe().first_lanes(out.data(), x.data(), y.data(), count);

    for (int i = 0; i < probe().width; ++i) ASSERT_EQ(out[i], i < count ? 1 : 2) << count;
  }
}

}  // namespace
}  // namespace kvs::test
