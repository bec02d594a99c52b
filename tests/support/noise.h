#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace kvs::test {

/// What the inputs of this run are made from: KVS_TEST_SEED, or another one each time. Tests of
/// devices say it where they fail.
inline uint32_t run_seed() {
  static const uint32_t seed = [] {
    const char* wanted = std::getenv("KVS_TEST_SEED");
    return wanted ? static_cast<uint32_t>(std::stoul(wanted)) : std::random_device()();
  }();
  return seed;
}

/// Uniform in [-1, 1), the same for one seed in one run.
inline std::vector<float> noise(int64_t count, unsigned seed) {
  std::mt19937 bits(run_seed() ^ (seed * 0x9E3779B9U));
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(bits()) / 2147483648.0F - 1;
  return values;
}

/// The nearest bf16, ties to even, as f32. Not for NaN.
inline float rounded_to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000);
}

/// The nearest IEEE binary16, ties to even, as its bits. Not for NaN; |x| below 65520.
inline uint16_t f16_bits(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t sign = bits >> 16 & 0x8000, absolute = bits & 0x7FFFFFFF;
  // 2^-14 is the smallest normal binary16: below, numbers are multiples of 2^-24.
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(absolute) + 0.5F);
  const uint32_t normal = (absolute - 0x38000000 + 0xFFF + (absolute >> 13 & 1)) >> 13;
  return static_cast<uint16_t>(sign | (absolute < 0x38800000 ? subnormal - 0x3F000000 : normal));
}

/// noise() that bf16 represents exactly, so that rounding changes nothing.
inline std::vector<float> bf16_noise(int64_t count, unsigned seed) {
  std::vector<float> values = noise(count, seed);
  for (float& v : values) v = rounded_to_bf16(v);
  return values;
}

}  // namespace kvs::test
