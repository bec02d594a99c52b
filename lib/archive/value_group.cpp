#include "archive/value_group.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/half.h"

namespace kvs {
namespace {

// Of a bfloat16's seven bits of fraction the writer uses four: the others would cost more room in
// the archive than they save.
constexpr uint32_t kUnusedBits = (1U << 19) - 1;

uint16_t round_down(float x) {  // towards zero
  return static_cast<uint16_t>((std::bit_cast<uint32_t>(x) & ~kUnusedBits) >> 16);
}

uint16_t round_up(float x) {  // x >= 0, far below the largest float
  return round_down(std::bit_cast<float>(std::bit_cast<uint32_t>(x) + kUnusedBits));
}

}  // namespace

GroupRange fit_group(std::span<const float> values, int levels, bool centred) {
  float low = values[0];
  float high = values[0];
  for (const float value : values) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const uint16_t offset = centred ? round_down(low / 2 + high / 2) : uint16_t{0};
  const double centre = bf16_to_f32(offset);
  const double reach = std::max(std::abs(high - centre), std::abs(low - centre));
  return {.scale = round_up(static_cast<float>(reach / levels)), .offset = offset};
}

void quantize_group(std::span<const float> values, GroupRange range, int levels, int8_t* codes) {
  const float scale = bf16_to_f32(range.scale);
  const float offset = bf16_to_f32(range.offset);
  for (size_t at = 0; at < values.size(); ++at) {
    // Halves, so that the difference of two large numbers is finite.
    const float steps = scale > 0 ? (values[at] / 2 - offset / 2) / scale * 2 : 0;
    const float nearest = std::nearbyint(steps);
    codes[at] = static_cast<int8_t>(
        std::clamp(nearest, static_cast<float>(-levels), static_cast<float>(levels)));
  }
}

bool dequantize_group(std::span<const int8_t> codes, GroupRange range, float* values) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  const float scale = bf16_to_f32(range.scale);
  const float offset = bf16_to_f32(range.offset);
  if (!std::isfinite(scale) || !std::isfinite(offset)) return false;
  for (size_t at = 0; at < codes.size(); ++at)
    values[at] = std::clamp(offset + scale * static_cast<float>(codes[at]), -kLargest, kLargest);
  return true;
}

}  // namespace kvs
