#include "model/json_fields.h"

#include <limits>

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {

JsonFields::JsonFields(const Json& json, const std::string& source) : json_(json), source_(source) {
  if (!json.is_object())
    fail(ErrorKind::format, "{}: {}, expected an object", source, json.type_name());
}

const Json* JsonFields::find(std::string_view key) const {
  const Json* value = json_.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<JsonFields> JsonFields::find_object(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail_type(key, "an object", *value);
  return JsonFields(*value, source_);
}

int JsonFields::get_int(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is_int()) fail_type(key, "an integer", value);
  const int64_t number = value.as_int();
  if (number < 0 || number > std::numeric_limits<int>::max())
    fail(ErrorKind::format, "{}: '{}' is {}, expected 0 to {}", source_, key, number,
         std::numeric_limits<int>::max());
  return static_cast<int>(number);
}

int JsonFields::int_or(std::string_view key, int otherwise) const {
  return has(key) ? get_int(key) : otherwise;
}

double JsonFields::get_number(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is_number()) fail_type(key, "a number", value);
  return value.as_number();
}

double JsonFields::number_or(std::string_view key, double otherwise) const {
  return has(key) ? get_number(key) : otherwise;
}

bool JsonFields::bool_or(std::string_view key, bool otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) fail_type(key, "true or false", *value);
  return value->as_bool();
}

const std::string& JsonFields::get_string(std::string_view key) const {
  const Json& value = need(key);
  if (!value.is_string()) fail_type(key, "a string", value);
  return value.as_string();
}

std::string JsonFields::string_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? get_string(key) : std::string(otherwise);
}

const Json& JsonFields::need(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail(ErrorKind::format, "{}: '{}' is missing", source_, key);
  return *value;
}

void JsonFields::fail_type(std::string_view key, std::string_view expected,
                           const Json& found) const {
  fail(ErrorKind::format, "{}: '{}' is {}, expected {}", source_, key, found.type_name(), expected);
}

}  // namespace kvs
