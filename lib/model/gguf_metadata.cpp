#include "model/gguf_metadata.h"

#include <array>
#include <limits>

#include "base/printable.h"

namespace kvs {
namespace {

// The specification limits keys to 65535 bytes.
constexpr size_t kMaxKeyBytes = 65535;

struct TypeEntry {
  std::string_view name;
  size_t bytes;
};

constexpr std::array<TypeEntry, 13> kValueTypes{{{"uint8", 1},
                                                 {"int8", 1},
                                                 {"uint16", 2},
                                                 {"int16", 2},
                                                 {"uint32", 4},
                                                 {"int32", 4},
                                                 {"float32", 4},
                                                 {"bool", 1},
                                                 {"string", 8},
                                                 {"array", 0},
                                                 {"uint64", 8},
                                                 {"int64", 8},
                                                 {"float64", 8}}};

template <typename T>
T load(const std::byte* data, uint64_t at) {
  T value;
  std::memcpy(&value, data + at * sizeof(T), sizeof(T));
  return value;
}

std::string_view load_string(const std::byte*& data) {
  const auto length = static_cast<size_t>(load<uint64_t>(data, 0));
  const auto* text = reinterpret_cast<const char*>(data + sizeof(uint64_t));
  data += sizeof(uint64_t) + length;
  return {text, length};
}

}  // namespace

std::string_view gguf_type_name(GgufValueType type) {
  return kValueTypes.at(static_cast<size_t>(type)).name;
}

size_t gguf_type_bytes(GgufValueType type) {
  return kValueTypes.at(static_cast<size_t>(type)).bytes;
}

GgufMetadata::GgufMetadata(GgufReader& reader, uint64_t count, const std::string& path)
    : path_(path) {
  for (uint64_t pair = 0; pair < count; ++pair) {
    const std::string_view key = reader.read_string("a metadata key");
    if (key.size() > kMaxKeyBytes)
      fail(ErrorKind::format, "{}: metadata key has {} bytes, expected at most {}", path_,
           key.size(), kMaxKeyBytes);
    const std::string what = "metadata '" + printable(key) + "'";
    if (!values_.emplace(key, read_value(reader, what)).second)
      fail(ErrorKind::format, "{}: {} occurs twice", path_, what);
  }
}

GgufValueType GgufMetadata::read_type(GgufReader& reader, std::string_view what) const {
  const auto type = reader.read<uint32_t>(what);
  if (type >= kValueTypes.size())
    fail(ErrorKind::format, "{}: {} has value type {}, expected 0 to {}", path_, what, type,
         kValueTypes.size() - 1);
  return static_cast<GgufValueType>(type);
}

GgufMetadata::Value GgufMetadata::read_value(GgufReader& reader, std::string_view what) const {
  Value value;
  value.type = read_type(reader, what);
  if (value.type == GgufValueType::array) {
    value.array = true;
    value.type = read_type(reader, what);
    if (value.type == GgufValueType::array)
      fail(ErrorKind::format, "{}: {} is an array of arrays, expected plain elements", path_, what);
    value.count =
        reader.read_count(gguf_type_bytes(value.type), "the length of " + std::string(what));
  }
  value.data = reader.here();
  if (value.type == GgufValueType::string) {
    for (uint64_t at = 0; at < value.count; ++at) reader.read_string(what);
  } else {
    reader.skip(value.count * gguf_type_bytes(value.type), what);
  }
  return value;
}

const GgufMetadata::Value* GgufMetadata::find(std::string_view key, bool array) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return nullptr;
  if (found->second.array != array) fail_type(key, array ? "array" : "single value", found->second);
  return &found->second;
}

void GgufMetadata::fail_type(std::string_view key, std::string_view expected,
                             const Value& found) const {
  fail(ErrorKind::format, "{}: metadata '{}': expected {}, found {}{}", path_, printable(key),
       expected, found.array ? "array of " : "", gguf_type_name(found.type));
}

int64_t GgufMetadata::to_int(std::string_view key, const Value& value, uint64_t at) const {
  switch (value.type) {
    case GgufValueType::u8:
      return load<uint8_t>(value.data, at);
    case GgufValueType::i8:
      return load<int8_t>(value.data, at);
    case GgufValueType::u16:
      return load<uint16_t>(value.data, at);
    case GgufValueType::i16:
      return load<int16_t>(value.data, at);
    case GgufValueType::u32:
      return load<uint32_t>(value.data, at);
    case GgufValueType::i32:
      return load<int32_t>(value.data, at);
    case GgufValueType::i64:
      return load<int64_t>(value.data, at);
    case GgufValueType::u64: {
      const auto number = load<uint64_t>(value.data, at);
      if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        fail(ErrorKind::format, "{}: metadata '{}' is {}, expected at most 2^63 - 1", path_,
             printable(key), number);
      return static_cast<int64_t>(number);
    }
    default:
      fail_type(key, "integer", value);
  }
}

double GgufMetadata::to_float(std::string_view key, const Value& value, uint64_t at) const {
  if (value.type == GgufValueType::f32) return load<float>(value.data, at);
  if (value.type == GgufValueType::f64) return load<double>(value.data, at);
  fail_type(key, "float", value);
}

std::optional<std::string_view> GgufMetadata::find_string(std::string_view key) const {
  const Value* value = find(key, false);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufValueType::string) fail_type(key, "string", *value);
  const std::byte* data = value->data;
  return load_string(data);
}

std::optional<int64_t> GgufMetadata::find_int(std::string_view key) const {
  const Value* value = find(key, false);
  return value == nullptr ? std::nullopt : std::optional(to_int(key, *value, 0));
}

std::optional<double> GgufMetadata::find_float(std::string_view key) const {
  const Value* value = find(key, false);
  return value == nullptr ? std::nullopt : std::optional(to_float(key, *value, 0));
}

std::optional<bool> GgufMetadata::find_bool(std::string_view key) const {
  const Value* value = find(key, false);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufValueType::boolean) fail_type(key, "bool", *value);
  return load<uint8_t>(value->data, 0) != 0;
}

std::vector<std::string_view> GgufMetadata::string_array(std::string_view key) const {
  const Value* value = find(key, true);
  if (value == nullptr) return {};
  if (value->type != GgufValueType::string) fail_type(key, "array of string", *value);
  std::vector<std::string_view> strings(value->count);
  const std::byte* data = value->data;
  for (std::string_view& string : strings) string = load_string(data);
  return strings;
}

std::vector<int64_t> GgufMetadata::int_array(std::string_view key) const {
  const Value* value = find(key, true);
  if (value == nullptr) return {};
  std::vector<int64_t> numbers(value->count);
  for (uint64_t at = 0; at < value->count; ++at) numbers[at] = to_int(key, *value, at);
  return numbers;
}

std::vector<float> GgufMetadata::float_array(std::string_view key) const {
  const Value* value = find(key, true);
  if (value == nullptr) return {};
  std::vector<float> numbers(value->count);
  for (uint64_t at = 0; at < value->count; ++at)
    numbers[at] = static_cast<float>(to_float(key, *value, at));
  return numbers;
}

std::vector<bool> GgufMetadata::bool_array(std::string_view key) const {
  const Value* value = find(key, true);
  if (value == nullptr) return {};
  if (value->type != GgufValueType::boolean) fail_type(key, "array of bool", *value);
  std::vector<bool> flags(value->count);
  for (uint64_t at = 0; at < value->count; ++at) flags[at] = load<uint8_t>(value->data, at) != 0;
  return flags;
}

}  // namespace kvs
