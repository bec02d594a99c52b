#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "kvs/error.h"

namespace kvs {

/// The types of GGUF metadata values, numbered as in the file.
enum class GgufValueType : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64
};

/// "uint8", "string", ...
std::string_view gguf_type_name(GgufValueType type);
/// Bytes of one value; of a string the least it can take, its length field. 0 for arrays.
size_t gguf_type_bytes(GgufValueType type);

/// A cursor over the bytes of a GGUF file which never leaves them.
class GgufReader {
 public:
  GgufReader(std::span<const std::byte> bytes, const std::string& path)
      : bytes_(bytes), path_(path) {}

  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }
  const std::byte* here() const { return bytes_.data() + offset_; }

  /// Throws Error(format) "path: truncated in WHAT at byte N" where fewer than `bytes` are left.
  void skip(uint64_t bytes, std::string_view what) {
    if (bytes > remaining())
      fail(ErrorKind::format, "{}: truncated in {} at byte {}: expected {} more bytes, found {}",
           path_, what, offset_, bytes, remaining());
    offset_ += static_cast<size_t>(bytes);
  }

  template <typename T>
  T read(std::string_view what) {
    const std::byte* from = here();
    skip(sizeof(T), what);
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }

  std::string_view read_string(std::string_view what) {
    const auto length = read<uint64_t>(what);
    const std::byte* from = here();
    skip(length, what);
    return {reinterpret_cast<const char*>(from), static_cast<size_t>(length)};
  }

  /// Reads a count of things that take at least `least` bytes each, so that what is allocated for
  /// them is bounded by the size of the file.
  uint64_t read_count(size_t least, std::string_view what) {
    const auto count = read<uint64_t>(what);
    if (count > remaining() / least)
      fail(ErrorKind::format, "{}: {} is {}, expected at most {} in the {} bytes left", path_, what,
           count, remaining() / least, remaining());
    return count;
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
  size_t offset_ = 0;
};

}  // namespace kvs
