#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvs {

inline constexpr size_t kGroupValues = 64;  ///< at most, of one group

/// What the codes of a group stand for: offset + scale * code. Both are bfloat16 numbers.
struct GroupRange {
  uint16_t scale = 0;
  uint16_t offset = 0;
};

/// The range in which the values need codes of at most `levels` in magnitude. Without `centred` the
/// offset is 0. The values are finite, at least one.
GroupRange fit_group(std::span<const float> values, int levels, bool centred);

/// The codes nearest to the values, of at most `levels` in magnitude.
void quantize_group(std::span<const float> values, GroupRange range, int levels, int8_t* codes);

/// Clamped to finite numbers. False where the range is not finite.
bool dequantize_group(std::span<const int8_t> codes, GroupRange range, float* values);

}  // namespace kvs
