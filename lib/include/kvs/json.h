#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// One JSON value. Objects keep the order of their members. Numbers without fraction or exponent
/// that fit are int64, all others double. Source: RFC 8259.
class KVS_API Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;  // null
  // NOLINTBEGIN(google-explicit-constructor): a value is written where JSON is expected
  Json(bool value) : value_(value) {}
  Json(int value) : value_(int64_t{value}) {}
  Json(int64_t value) : value_(value) {}
  Json(uint64_t value) : value_(static_cast<int64_t>(value)) {}
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  // NOLINTEND(google-explicit-constructor)

  /// Parses one document; at most 512 levels deep. Throws Error(format), naming `source` (a file,
  /// or a file and line) and the byte where parsing stopped.
  static Json parse(std::string_view text, std::string_view source);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  std::string_view type_name()
      const;  ///< "null", "boolean", "integer", "number", "string", "array", "object"

  /// Each throws Error(format) where the value has another type: "expected string, found array".
  bool as_bool() const;
  int64_t as_int() const;
  double as_number() const;
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;

  /// The member, or null where this is no object or has no such member.
  const Json* find(std::string_view key) const;
  /// The member. Throws Error(format) "field 'x' is missing".
  const Json& get(std::string_view key) const;

  /// Appends or replaces a member; turns null into an object first.
  Json& set(std::string_view key, Json value);
  /// Appends an element; turns null into an array first.
  void push(Json value);

  /// One line where `indent` is negative. Invalid UTF-8 is replaced by U+FFFD; NaN and infinities
  /// become null.
  std::string dump(int indent = -1) const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

}  // namespace kvs
