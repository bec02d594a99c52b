#include "model/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// The limit of the reference implementation.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxSafetensorsRank = 8;

std::optional<TensorType> find_type(std::string_view name) {
  if (name == "F32") return TensorType::f32;
  if (name == "F16") return TensorType::f16;
  if (name == "BF16") return TensorType::bf16;
  return std::nullopt;
}

// The member of `entry`, where `is` holds for it.
const Json& member(const Json& entry, std::string_view key, bool (Json::*is)() const,
                   std::string_view expected, const std::string& what) {
  const Json* value = entry.find(key);
  if (value == nullptr || !(value->*is)())
    fail(ErrorKind::format, "{}: '{}' is {}, expected {}", what, key,
         value == nullptr ? "missing" : value->type_name(), expected);
  return *value;
}

std::vector<int64_t> read_numbers(const Json& entry, std::string_view key,
                                  const std::string& what) {
  std::vector<int64_t> numbers;
  for (const Json& number : member(entry, key, &Json::is_array, "an array", what).as_array()) {
    if (!number.is_int() || number.as_int() < 0)
      fail(ErrorKind::format, "{}: '{}' holds {}, expected integers from 0", what, key,
           number.dump());
    numbers.push_back(number.as_int());
  }
  return numbers;
}

int64_t read_elements(const std::vector<int64_t>& shape, const std::string& what) {
  if (shape.size() > kMaxSafetensorsRank)
    fail(ErrorKind::format, "{}: 'shape' has {} extents, expected at most {}", what, shape.size(),
         kMaxSafetensorsRank);
  int64_t elements = 1;
  for (const int64_t extent : shape) {
    const std::optional<int64_t> product = find_product(elements, extent);
    if (!product)
      fail(ErrorKind::format, "{}: 'shape' is [{}], expected a product below 2^63", what,
           fmt::join(shape, ", "));
    elements = *product;
  }
  return elements;
}

}  // namespace

struct SafetensorsFile::Place {
  std::string name;
  int64_t begin;
  int64_t end;
};

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const Json header = read_header();
  std::vector<Place> places;
  for (const auto& [name, entry] : header.as_object())
    if (name != "__metadata__") read_entry(name, entry, places);
  check_places(std::move(places));
}

Json SafetensorsFile::read_header() {
  const std::span<const std::byte> bytes = file_.bytes();
  uint64_t length = 0;
  if (bytes.size() < sizeof length)
    fail(ErrorKind::format, "{}: {} bytes, expected a safetensors file", path(), bytes.size());
  std::memcpy(&length, bytes.data(), sizeof length);
  const uint64_t most = std::min<uint64_t>(kMaxHeaderBytes, bytes.size() - sizeof length);
  if (length > most)
    fail(ErrorKind::format,
         "{}: truncated, or no safetensors file: the header has {} bytes, expected "
         "at most {}",
         path(), length, most);
  data_ = bytes.subspan(sizeof length + length);
  const auto* text = reinterpret_cast<const char*>(bytes.data() + sizeof length);
  Json header = Json::parse({text, static_cast<size_t>(length)}, path() + ": header");
  if (!header.is_object())
    fail(ErrorKind::format, "{}: the header is {}, expected an object", path(), header.type_name());
  return header;
}

void SafetensorsFile::read_entry(const std::string& name, const Json& entry,
                                 std::vector<Place>& places) {
  const std::string what = path() + ": tensor '" + printable(name) + "'";
  if (!entry.is_object())
    fail(ErrorKind::format, "{} is {}, expected an object", what, entry.type_name());
  const std::string& type = member(entry, "dtype", &Json::is_string, "a string", what).as_string();
  const std::vector<int64_t> shape = read_numbers(entry, "shape", what);
  const std::vector<int64_t> offsets = read_numbers(entry, "data_offsets", what);
  const auto size = static_cast<int64_t>(data_.size());
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > size)
    fail(ErrorKind::format, "{}: 'data_offsets' is [{}], expected two within the {} bytes of data",
         what, fmt::join(offsets, ", "), size);
  const int64_t bytes = offsets[1] - offsets[0];
  const int64_t elements = read_elements(shape, what);
  places.push_back({name, offsets[0], offsets[1]});
  const std::optional<TensorType> readable = find_type(type);
  if (!readable) {
    unreadable_.emplace(name, type);
    return;
  }
  if (find_tensor_bytes(*readable, elements) != bytes)
    fail(ErrorKind::format, "{}: {} bytes, expected those of {} elements of type {}", what, bytes,
         elements, type);
  const auto [at, added] = tensors_.emplace(name, StoredTensor{});
  if (!added) fail(ErrorKind::format, "{} occurs twice", what);
  at->second = {at->first, *readable, shape, data_.data() + offsets[0], bytes};
}

void SafetensorsFile::check_places(std::vector<Place> places) const {
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  int64_t end = 0;
  for (const Place& place : places) {
    if (place.begin != end)
      fail(ErrorKind::format, "{}: tensor '{}' starts at offset {}, expected {}", path(),
           printable(place.name), place.begin, end);
    end = place.end;
  }
  if (end != static_cast<int64_t>(data_.size()))
    fail(ErrorKind::format, "{}: {} bytes of data, expected {}", path(), data_.size(), end);
}

const StoredTensor* SafetensorsFile::find_tensor(std::string_view name) const {
  if (const auto found = tensors_.find(name); found != tensors_.end()) return &found->second;
  if (const auto found = unreadable_.find(name); found != unreadable_.end())
    fail(ErrorKind::format, "{}: tensor '{}' has type {}, expected F32, F16 or BF16", path(),
         printable(name), printable(found->second));
  return nullptr;
}

}  // namespace kvs
