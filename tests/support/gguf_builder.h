#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvs::test {

/// The bytes of a value as a GGUF file holds them.
template <typename T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}
inline std::string raw_string(std::string_view text) {
  return raw<uint64_t>(text.size()) + std::string(text);
}

/// Puts together the bytes of a GGUF file, also of one that no writer would produce.
struct GgufBuilder {
  uint32_t version = 3;
  uint64_t alignment = 32;
  uint64_t pairs = 0;
  uint64_t tensors = 0;
  std::string metadata;
  std::string table;
  std::string data;

  GgufBuilder& pair(std::string_view key, uint32_t type, const std::string& value) {
    metadata += raw_string(key) + raw(type) + value;
    ++pairs;
    return *this;
  }
  GgufBuilder& text(std::string_view key, std::string_view value) {
    return pair(key, 8, raw_string(value));
  }
  GgufBuilder& number(std::string_view key, uint32_t value) { return pair(key, 4, raw(value)); }
  GgufBuilder& real(std::string_view key, float value) { return pair(key, 6, raw(value)); }

  /// Extents innermost first, as in the file.
  GgufBuilder& entry(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type,
                     uint64_t offset) {
    table += raw_string(name) + raw(static_cast<uint32_t>(extents.size()));
    for (const uint64_t extent : extents) table += raw(extent);
    table += raw(type) + raw(offset);
    ++tensors;
    return *this;
  }
  GgufBuilder& tensor(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type,
                      std::string_view bytes) {
    pad(data);
    entry(name, extents, type, data.size());
    data += bytes;
    return *this;
  }

  void pad(std::string& bytes) const {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
  }

  std::string bytes() const {
    std::string file = "GGUF" + raw(version) + raw(tensors) + raw(pairs) + metadata + table;
    if (!data.empty()) pad(file);
    return file + data;
  }
};

}  // namespace kvs::test
