#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <msgpack.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/hash.h"

namespace kvs {

/// Parses the content of a frame: one msgpack map. Strings and binaries refer to `content`, which
/// must outlive the handle. Throws Error(format); allocates in step with the content's size.
msgpack::object_handle parse_map(std::span<const std::byte> content);

/// The fields of a msgpack map. Unknown ones are ignored. Every getter throws Error(format), naming
/// the field, where it is missing, of another type or out of range.
class Fields {
 public:
  explicit Fields(const msgpack::object& map);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string text(std::string_view name, size_t max_bytes) const;
  int64_t integer(std::string_view name, int64_t low, int64_t high) const;
  double number(std::string_view name) const;
  bool boolean(std::string_view name) const;
  Hash128 hash(std::string_view name) const;  ///< a binary of 16 bytes
  std::vector<int32_t> tokens(std::string_view name, size_t max_count) const;
  std::vector<float> floats(std::string_view name, size_t max_count) const;
  std::vector<std::span<const std::byte>> binaries(std::string_view name, size_t max_count) const;
  std::vector<Fields> maps(std::string_view name, size_t max_count) const;

 private:
  const msgpack::object* find(std::string_view name) const;
  const msgpack::object& get(std::string_view name, msgpack::type::object_type type,
                             const char* expected) const;
  std::span<const msgpack::object> array(std::string_view name, size_t max_count) const;

  msgpack::object_map map_;
};

}  // namespace kvs
