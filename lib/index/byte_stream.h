#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kvs/error.h"

namespace kvs {

// The index files hold numbers and arrays as they lie in memory.
static_assert(std::endian::native == std::endian::little);

template <typename T>
concept PlainValue = std::is_trivially_copyable_v<T>;

/// Appends values to bytes.
class ByteWriter {
 public:
  template <PlainValue T>
  void add(const T& value) {
    append(&value, sizeof value);
  }
  /// The number of elements, then the elements.
  template <PlainValue T>
  void add_array(std::span<const T> values) {
    add(uint64_t{values.size()});
    append(values.data(), values.size_bytes());
  }
  void add_string(std::string_view text) {
    add_array(std::span<const char>(text.data(), text.size()));
  }

  std::span<const std::byte> bytes() const { return bytes_; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void append(const void* data, size_t size) {
    if (size == 0) return;
    const size_t end = bytes_.size();
    bytes_.resize(end + size);
    std::memcpy(bytes_.data() + end, data, size);
  }

  std::vector<std::byte> bytes_;
};

/// Reads what ByteWriter wrote. Throws Error(format) "SOURCE: REASON" where a length exceeds what
/// is left; nothing is allocated before it is known to be there.
class ByteReader {
 public:
  ByteReader(std::span<const std::byte> bytes, std::string_view source)
      : bytes_(bytes), source_(source) {}

  template <PlainValue T>
  T get() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  template <PlainValue T>
  std::vector<T> get_array() {
    const auto count = get<uint64_t>();
    if (count > bytes_.size() / sizeof(T)) damaged("an array is longer than the file");
    std::vector<T> values(count);
    const auto from = take(count * sizeof(T));
    if (count > 0) std::memcpy(values.data(), from.data(), from.size());
    return values;
  }
  /// The elements of an array of bytes, where they are.
  std::span<const std::byte> get_bytes() {
    const auto count = get<uint64_t>();
    if (count > bytes_.size()) damaged("an array is longer than the file");
    return take(count);
  }
  std::string get_string() {
    const std::vector<char> text = get_array<char>();
    return {text.begin(), text.end()};
  }

  size_t left() const { return bytes_.size(); }
  /// Where bytes are left over.
  void expect_end() const {
    if (!bytes_.empty()) damaged(fmt::format("{} bytes too many", bytes_.size()));
  }
  [[noreturn]] void damaged(std::string_view reason) const {
    fail(ErrorKind::format, "{}: damaged: {}", source_, reason);
  }

 private:
  std::span<const std::byte> take(size_t size) {
    if (size > bytes_.size()) damaged("it ends early");
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }

  std::span<const std::byte> bytes_;
  std::string_view source_;
};

/// Appends a checksum of all bytes so far.
void seal(ByteWriter& out);
/// The bytes before the checksum. Throws Error(format) "SOURCE: damaged: ..." where it does not
/// fit.
std::span<const std::byte> unsealed(std::span<const std::byte> bytes, std::string_view source);

}  // namespace kvs
