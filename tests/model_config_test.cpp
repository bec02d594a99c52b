#include "kvs/model_config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "kvs/model_files.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

TEST(Rope, HasFrequenciesFromOneDown) {
  const Rope rope = make_rope(10000, 8);

  ASSERT_EQ(rope.inverse_frequencies.size(), 4U);
  EXPECT_DOUBLE_EQ(rope.inverse_frequencies[0], 1);
  EXPECT_DOUBLE_EQ(rope.inverse_frequencies[1], 0.1);
  EXPECT_DOUBLE_EQ(rope.inverse_frequencies[3], 0.001);
  EXPECT_EQ(rope.scaling, Rope::Scaling::none);
}

TEST(Rope, DividesByALinearFactor) {
  Rope rope = make_rope(10000, 8);

  scale_linear(rope, 4);

  EXPECT_DOUBLE_EQ(rope.inverse_frequencies[0], 0.25);
  EXPECT_DOUBLE_EQ(rope.inverse_frequencies[3], 0.00025);
  EXPECT_EQ(rope.scaling, Rope::Scaling::linear);
}

// The definition by wavelengths, as the Llama 3.1 reference code has it.
double llama3_frequency(double frequency, const Llama3Scaling& s) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < s.original_context / s.high_frequency_factor) return frequency;
  if (wavelength > s.original_context / s.low_frequency_factor) return frequency / s.factor;
  const double smooth = (s.original_context / wavelength - s.low_frequency_factor) /
                        (s.high_frequency_factor - s.low_frequency_factor);
  return (1 - smooth) * frequency / s.factor + smooth * frequency;
}

TEST(Rope, ScalesLongWavelengthsAsLlama3Does) {
  const Rope plain = make_rope(500000, 128);
  Rope scaled = plain;

  scale_llama3(scaled, {});

  for (size_t at = 0; at < 64; ++at)
    EXPECT_NEAR(scaled.inverse_frequencies[at], llama3_frequency(plain.inverse_frequencies[at], {}),
                1e-15)
        << at;
  EXPECT_EQ(scaled.inverse_frequencies[0], plain.inverse_frequencies[0]);
  EXPECT_DOUBLE_EQ(scaled.inverse_frequencies[63], plain.inverse_frequencies[63] / 8);
}

TEST(ModelConfig, RefusesShapesThatNoModelHas) {
  ModelConfig config = open_model_files("random:smollm2-135m")->config();
  const auto message = [&] {
    return std::string(error_of([&] { check_config(config, "m"); }).what());
  };
  check_config(config, "m");

  config.kv_heads = 2;
  EXPECT_EQ(message(), "m: 9 heads, expected a multiple of the 2 KV heads");
  config.kv_heads = 0;
  EXPECT_EQ(message(), "m: the number of KV heads is 0, expected 1 to 65536");
  config.kv_heads = 3;
  config.head_dim = 63;
  EXPECT_EQ(message(), "m: the head dimension is 63, expected an even number");
  config.head_dim = 64;
  config.norm_eps = NAN;
  EXPECT_EQ(message(), "m: the epsilon of the norms is nan, expected at least 0");
  config.norm_eps = 1e-5F;
  config.rope.inverse_frequencies[1] = 0;
  EXPECT_EQ(message(), "m: a RoPE frequency is 0, expected a positive number");
}

}  // namespace
}  // namespace kvs::test
