#pragma once

#include <bit>
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

}  // namespace kvs
