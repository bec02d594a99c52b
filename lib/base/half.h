#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace kvs {

/// The value of an IEEE 754 half-precision number, exactly; infinities and NaNs stay what they are.
/// Without branches, so that loops over it vectorise.
inline float f16_to_f32(uint16_t half) {
  // Half and single precision bias their exponents by 15 and 127.
  const float finite = std::bit_cast<float>((half & 0x7fffU) << 13) * 0x1p112F;
  const uint32_t special = -static_cast<uint32_t>((half & 0x7c00U) == 0x7c00U) & 0x7f800000U;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(finite) | special | (half & 0x8000U) << 16);
}

/// The value of a bfloat16 number, which is the upper half of a single-precision one.
inline float bf16_to_f32(uint16_t half) {
  return std::bit_cast<float>(uint32_t{half} << 16);
}

/// The nearest half-precision number, ties to even; of numbers beyond the largest finite one, that
/// one. `x` is no NaN.
inline uint16_t f32_to_f16(float x) {
  const float magnitude = std::min(std::abs(x), 65504.0F);
  // Adding 1/2 rounds to a multiple of 2^-24, the distance of half precision's subnormal numbers.
  const uint32_t small = std::bit_cast<uint32_t>(magnitude + 0.5F) - std::bit_cast<uint32_t>(0.5F);
  const uint32_t rebiased = std::bit_cast<uint32_t>(magnitude) - (112U << 23);
  const uint32_t normal = (rebiased + 0xfffU + (rebiased >> 13 & 1U)) >> 13;
  const uint32_t sign = std::bit_cast<uint32_t>(x) >> 16 & 0x8000U;
  return static_cast<uint16_t>(sign | (magnitude < 0x1p-14F ? small : normal));
}

/// The same for bfloat16.
inline uint16_t f32_to_bf16(float x) {
  const float magnitude = std::min(std::abs(x), std::bit_cast<float>(0x7f7f0000U));
  const auto bits = std::bit_cast<uint32_t>(std::copysign(magnitude, x));
  return static_cast<uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

}  // namespace kvs
