#include "archive/byte_planes.h"

#include <cstdint>
#include <cstring>

namespace kvs {
namespace {

// The loops go through integers of the element's width, which the compiler vectorises: bytes at a
// stride it does not.
template <typename T>
void split(const std::byte* elements, size_t count, std::byte* planes, size_t stride) {
  for (size_t plane = 0; plane < sizeof(T); ++plane) {
    auto* out = reinterpret_cast<uint8_t*>(planes + plane * stride);
#pragma omp simd
    for (size_t e = 0; e < count; ++e) {
      T value;
      std::memcpy(&value, elements + e * sizeof(T), sizeof value);
      out[e] = static_cast<uint8_t>(value >> (8 * plane));
    }
  }
}

void join2(const std::byte* const* planes, std::byte* elements, size_t count) {
  const auto* low = reinterpret_cast<const uint8_t*>(planes[0]);
  const auto* high = reinterpret_cast<const uint8_t*>(planes[1]);
#pragma omp simd
  for (size_t e = 0; e < count; ++e) {
    const auto value = static_cast<uint16_t>(low[e] | high[e] << 8);
    std::memcpy(elements + 2 * e, &value, sizeof value);
  }
}

void join4(const std::byte* const* planes, std::byte* elements, size_t count) {
  const auto* p0 = reinterpret_cast<const uint8_t*>(planes[0]);
  const auto* p1 = reinterpret_cast<const uint8_t*>(planes[1]);
  const auto* p2 = reinterpret_cast<const uint8_t*>(planes[2]);
  const auto* p3 = reinterpret_cast<const uint8_t*>(planes[3]);
#pragma omp simd
  for (size_t e = 0; e < count; ++e) {
    const uint32_t value =
        uint32_t{p0[e]} | uint32_t{p1[e]} << 8 | uint32_t{p2[e]} << 16 | uint32_t{p3[e]} << 24;
    std::memcpy(elements + 4 * e, &value, sizeof value);
  }
}

}  // namespace

void split_planes(std::span<const std::byte> elements, size_t width, std::byte* planes,
                  size_t stride) {
  const size_t count = elements.size() / width;
  switch (width) {
    case 1:
      std::memcpy(planes, elements.data(), elements.size());
      break;
    case 2:
      split<uint16_t>(elements.data(), count, planes, stride);
      break;
    default:
      split<uint32_t>(elements.data(), count, planes, stride);
      break;
  }
}

void join_planes(const std::byte* const* planes, size_t width, std::span<std::byte> elements) {
  const size_t count = elements.size() / width;
  switch (width) {
    case 1:
      std::memcpy(elements.data(), planes[0], elements.size());
      break;
    case 2:
      join2(planes, elements.data(), count);
      break;
    default:
      join4(planes, elements.data(), count);
      break;
  }
}

}  // namespace kvs
