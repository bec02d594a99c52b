#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "kvs/export.h"

namespace kvs {

/// 128 bits that name a content. Not cryptographic: equal hashes nominate, contents are compared.
/// Its bytes and its hexadecimal form are big-endian, high half first.
struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;

  bool is_zero() const { return high == 0 && low == 0; }
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means a 0 that the compiler writes
  auto operator<=>(const Hash128&) const = default;
};

KVS_API std::string to_hex(const Hash128& hash);  ///< 32 lower-case digits
/// Nothing where `hex` is not 32 hexadecimal digits.
KVS_API std::optional<Hash128> parse_hash(std::string_view hex);
KVS_API std::array<std::byte, 16> to_bytes(const Hash128& hash);
KVS_API Hash128 hash_from_bytes(std::span<const std::byte, 16> bytes);

/// XXH3-128 with seed 0. Source: xxHash specification 0.2.0.
class KVS_API Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  Hasher& reset();
  Hasher& add(const void* data, size_t bytes);
  Hasher& add(std::string_view bytes) { return add(bytes.data(), bytes.size()); }
  /// The elements as they lie in memory, without their number.
  template <typename T>
  requires std::is_arithmetic_v<T> Hasher& add(std::span<const T> values) {
    return add(values.data(), values.size_bytes());
  }
  template <typename T>
  requires std::is_arithmetic_v<T> Hasher& add_value(T value) { return add(&value, sizeof value); }

  /// Of everything added since construction or reset(); adding may go on.
  Hash128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same over one piece of memory.
KVS_API Hash128 hash_bytes(const void* data, size_t bytes);

}  // namespace kvs

template <>
struct std::hash<kvs::Hash128> {
  size_t operator()(const kvs::Hash128& value) const noexcept {
    return static_cast<size_t>(value.low);
  }
};
