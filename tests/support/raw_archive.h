#pragma once

#include <fmt/format.h>
#include <zstd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Archives made by hand, byte by byte, so that they can break every rule.
namespace kvs::test {

namespace pack {

inline std::string big_endian(uint64_t value, int bytes) {
  std::string out;
  for (int byte = bytes - 1; byte >= 0; --byte) out += static_cast<char>(value >> (8 * byte));
  return out;
}

inline std::string text(std::string_view value) {
  return "\xd9" + big_endian(value.size(), 1) + std::string(value);
}
inline std::string binary(std::string_view value) {
  return "\xc6" + big_endian(value.size(), 4) + std::string(value);
}
inline std::string integer(int64_t value) {
  return "\xd3" + big_endian(static_cast<uint64_t>(value), 8);
}
inline std::string boolean(bool value) {
  return value ? "\xc3" : "\xc2";
}
inline std::string array_start(uint32_t count) {
  return "\xdd" + big_endian(count, 4);
}

inline std::string array(const std::vector<std::string>& elements) {
  std::string out = array_start(static_cast<uint32_t>(elements.size()));
  for (const std::string& element : elements) out += element;
  return out;
}

}  // namespace pack

/// A msgpack map whose fields can be replaced one by one; values are msgpack already.
class RawMap {
 public:
  RawMap(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  RawMap with(std::string_view name, const std::string& value) const {
    RawMap copy = without(name);
    copy.fields_.emplace_back(name, value);
    return copy;
  }
  RawMap without(std::string_view name) const {
    RawMap copy = *this;
    std::erase_if(copy.fields_, [&](const auto& field) { return field.first == name; });
    return copy;
  }
  RawMap with_repeated(std::string_view name, const std::string& value) const {
    RawMap copy = *this;
    copy.fields_.emplace_back(name, value);
    return copy;
  }

  std::string bytes() const {
    std::string out = "\xde" + pack::big_endian(fields_.size(), 2);
    for (const auto& [name, value] : fields_) out += pack::text(name) + value;
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

inline std::string frame(std::string_view content, bool checksum = true) {
  std::string packed(ZSTD_compressBound(content.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum ? 1 : 0);
  packed.resize(
      ZSTD_compress2(context, packed.data(), packed.size(), content.data(), content.size()));
  ZSTD_freeCCtx(context);
  return packed;
}

inline std::string frame(const RawMap& map) {
  return frame(map.bytes());
}

/// One layer, one head of two elements, f16.
inline RawMap raw_header() {
  return {{"t", pack::text("header")},       {"version", pack::integer(1)},
          {"model", pack::text("")},         {"fingerprint", pack::text("")},
          {"tokenizer", pack::text("")},     {"layers", pack::integer(1)},
          {"kv_heads", pack::integer(1)},    {"head_dim", pack::integer(2)},
          {"dtype", pack::text("f16")},      {"rope", pack::text("half")},
          {"creator", pack::text("a test")}, {"time", pack::integer(0)}};
}

/// One token.
inline RawMap raw_kv() {
  return {{"t", pack::text("kv")},
          {"id", pack::binary("0123456789abcdef")},
          {"tokens", pack::array({pack::integer(7)})},
          {"home", pack::integer(0)},
          {"exact", pack::boolean(true)},
          {"codec", pack::text("raw")},
          {"error", pack::integer(0)},
          {"data", pack::array({pack::binary("KKKK"), pack::binary("VVVV")})}};
}

inline RawMap raw_prompt() {
  return {{"t", pack::text("prompt")},
          {"id", pack::text("p")},
          {"tenant", pack::text("")},
          {"visibility", pack::text("public")},
          {"tokens", pack::array({pack::integer(7)})},
          {"spans", pack::array({})},
          {"time", pack::integer(0)}};
}

}  // namespace kvs::test
