#include "archive/fields.h"

#include <algorithm>

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxArray = size_t{1} << 20;
constexpr size_t kMaxMap = 64;
constexpr size_t kMaxDepth = 4;  // map, array, map and one to spare

bool refer_to_content(msgpack::type::object_type, size_t, void*) {
  return true;
}

std::string_view view(const msgpack::object_str& text) {
  return {text.ptr, text.size};
}

std::span<const std::byte> view(const msgpack::object_bin& binary) {
  return {reinterpret_cast<const std::byte*>(binary.ptr), binary.size};
}

[[noreturn]] void fail_field(std::string_view name, std::string_view problem) {
  fail(ErrorKind::format, "field '{}' {}", name, problem);
}

int64_t to_integer(std::string_view name, const msgpack::object& value, int64_t low, int64_t high) {
  int64_t number = 0;
  if (value.type == msgpack::type::NEGATIVE_INTEGER) {
    number = value.via.i64;
  } else if (value.type == msgpack::type::POSITIVE_INTEGER) {
    constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (value.via.u64 > kMax) fail_field(name, "is out of range");
    number = static_cast<int64_t>(value.via.u64);
  } else {
    fail_field(name, "is not an integer");
  }
  if (number < low || number > high)
    fail(ErrorKind::format, "field '{}' is {}, expected {} to {}", name, number, low, high);
  return number;
}

double to_number(std::string_view name, const msgpack::object& value) {
  switch (value.type) {
    case msgpack::type::FLOAT32:
    case msgpack::type::FLOAT64:
      return value.via.f64;
    case msgpack::type::POSITIVE_INTEGER:
      return static_cast<double>(value.via.u64);
    case msgpack::type::NEGATIVE_INTEGER:
      return static_cast<double>(value.via.i64);
    default:
      fail_field(name, "is not a number");
  }
}

void refuse_repeated_names(const msgpack::object_map& map) {
  std::vector<std::string_view> names;
  for (const auto& [key, value] : std::span(map.ptr, map.size)) {
    if (key.type != msgpack::type::STR) fail(ErrorKind::format, "a field's name is not a string");
    names.push_back(view(key.via.str));
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail_field(printable(*twice), "occurs twice");
}

}  // namespace

msgpack::object_handle parse_map(std::span<const std::byte> content) {
  const size_t bytes = content.size();
  const msgpack::unpack_limit limit(std::min(kMaxArray, bytes), std::min(kMaxMap, bytes), bytes,
                                    bytes, bytes, kMaxDepth);
  size_t parsed = 0;
  msgpack::object_handle handle;
  try {
    handle = msgpack::unpack(reinterpret_cast<const char*>(content.data()), bytes, parsed,
                             refer_to_content, nullptr, limit);
  } catch (const msgpack::unpack_error& e) {
    fail(ErrorKind::format, "invalid msgpack: {}", e.what());
  }
  if (parsed != bytes) fail(ErrorKind::format, "{} bytes after the record", bytes - parsed);
  if (handle->type != msgpack::type::MAP) fail(ErrorKind::format, "record is not a msgpack map");
  return handle;
}

Fields::Fields(const msgpack::object& map) {
  if (map.type != msgpack::type::MAP) fail(ErrorKind::format, "expected a msgpack map");
  map_ = map.via.map;
  refuse_repeated_names(map_);
}

const msgpack::object* Fields::find(std::string_view name) const {
  for (const auto& [key, value] : std::span(map_.ptr, map_.size))
    if (view(key.via.str) == name) return &value;
  return nullptr;
}

const msgpack::object& Fields::get(std::string_view name, msgpack::type::object_type type,
                                   const char* expected) const {
  const msgpack::object* value = find(name);
  if (value == nullptr) fail_field(name, "is missing");
  if (value->type != type && type != msgpack::type::NIL)
    fail(ErrorKind::format, "field '{}' is not {}", name, expected);
  return *value;
}

std::string Fields::text(std::string_view name, size_t max_bytes) const {
  const auto value = view(get(name, msgpack::type::STR, "a string").via.str);
  if (value.size() > max_bytes)
    fail(ErrorKind::format, "field '{}' has {} bytes, at most {} are allowed", name, value.size(),
         max_bytes);
  return std::string(value);
}

int64_t Fields::integer(std::string_view name, int64_t low, int64_t high) const {
  return to_integer(name, get(name, msgpack::type::NIL, ""), low, high);
}

double Fields::number(std::string_view name) const {
  return to_number(name, get(name, msgpack::type::NIL, ""));
}

bool Fields::boolean(std::string_view name) const {
  return get(name, msgpack::type::BOOLEAN, "a boolean").via.boolean;
}

Hash128 Fields::hash(std::string_view name) const {
  const auto bytes = view(get(name, msgpack::type::BIN, "a binary").via.bin);
  if (bytes.size() != 16) fail_field(name, "has not 16 bytes");
  return hash_from_bytes(bytes.first<16>());
}

std::span<const msgpack::object> Fields::array(std::string_view name, size_t max_count) const {
  const msgpack::object_array& array = get(name, msgpack::type::ARRAY, "an array").via.array;
  if (array.size > max_count)
    fail(ErrorKind::format, "field '{}' has {} elements, at most {} are allowed", name, array.size,
         max_count);
  return {array.ptr, array.size};
}

std::vector<int32_t> Fields::tokens(std::string_view name, size_t max_count) const {
  using Limits = std::numeric_limits<int32_t>;
  std::vector<int32_t> tokens;
  for (const msgpack::object& element : array(name, max_count))
    tokens.push_back(static_cast<int32_t>(to_integer(name, element, Limits::min(), Limits::max())));
  return tokens;
}

std::vector<float> Fields::floats(std::string_view name, size_t max_count) const {
  std::vector<float> floats;
  for (const msgpack::object& element : array(name, max_count))
    floats.push_back(static_cast<float>(to_number(name, element)));
  return floats;
}

std::vector<std::span<const std::byte>> Fields::binaries(std::string_view name,
                                                         size_t max_count) const {
  std::vector<std::span<const std::byte>> binaries;
  for (const msgpack::object& element : array(name, max_count)) {
    if (element.type != msgpack::type::BIN) fail_field(name, "has an element that is no binary");
    binaries.push_back(view(element.via.bin));
  }
  return binaries;
}

std::vector<Fields> Fields::maps(std::string_view name, size_t max_count) const {
  std::vector<Fields> maps;
  for (const msgpack::object& element : array(name, max_count)) maps.emplace_back(element);
  return maps;
}

}  // namespace kvs
