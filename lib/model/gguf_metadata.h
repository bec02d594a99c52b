#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf_reader.h"

namespace kvs {

/// The key-value pairs of a GGUF file: where each value lies, checked but not decoded.
class GgufMetadata {
 public:
  /// Reads `count` pairs. Throws Error(format) where one is damaged or a key occurs twice.
  GgufMetadata(GgufReader& reader, uint64_t count, const std::string& path);

  bool has(std::string_view key) const { return values_.contains(key); }
  std::optional<std::string_view> find_string(std::string_view key) const;
  std::optional<int64_t> find_int(std::string_view key) const;
  std::optional<double> find_float(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::vector<std::string_view> string_array(std::string_view key) const;
  std::vector<int64_t> int_array(std::string_view key) const;
  std::vector<float> float_array(std::string_view key) const;
  std::vector<bool> bool_array(std::string_view key) const;

 private:
  struct Value {
    bool array = false;
    GgufValueType type = GgufValueType::u8;  // of the elements, where it is an array
    uint64_t count = 1;
    const std::byte* data = nullptr;
  };

  Value read_value(GgufReader& reader, std::string_view what) const;
  GgufValueType read_type(GgufReader& reader, std::string_view what) const;
  const Value* find(std::string_view key, bool array) const;
  [[noreturn]] void fail_type(std::string_view key, std::string_view expected,
                              const Value& found) const;
  int64_t to_int(std::string_view key, const Value& value, uint64_t at) const;
  double to_float(std::string_view key, const Value& value, uint64_t at) const;

  std::string path_;
  std::map<std::string_view, Value> values_;
};

}  // namespace kvs
