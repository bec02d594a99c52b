#pragma once

#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvs {

static_assert(std::endian::native == std::endian::little,
              "archives hold little-endian numbers, which are copied as they are");

/// The first sizeof(T) bytes. Unaligned.
template <typename T>
T load_little(std::span<const std::byte> bytes) {
  assert(bytes.size() >= sizeof(T));
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

inline uint32_t load_little24(std::span<const std::byte> bytes) {
  assert(bytes.size() >= 3);
  uint32_t value = 0;
  std::memcpy(&value, bytes.data(), 3);
  return value;
}

template <typename T>
void append_little(std::vector<std::byte>& to, T value) {
  to.resize(to.size() + sizeof value);
  std::memcpy(to.data() + to.size() - sizeof value, &value, sizeof value);
}

}  // namespace kvs
