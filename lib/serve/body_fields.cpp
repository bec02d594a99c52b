#include "serve/body_fields.h"

#include <cmath>

#include "base/utf8.h"
#include "kvs/error.h"
#include "serve/refusal.h"

namespace kvs {
namespace {

constexpr size_t kShownBytes = 40;

// What was found, short enough for a message.
std::string shown(const Json& value) {
  if (value.is_array() || value.is_object() || value.is_null())
    return std::string(value.type_name());
  const std::string text = value.dump();
  return text.size() <= kShownBytes ? text : std::string(value.type_name());
}

// How many values JSON text has, at most: the first one, and others behind what stands in front of
// them.
size_t count_values(std::string_view text) {
  size_t count = 1;
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string && c == '\\')
      ++at;
    else if (c == '"')
      in_string = !in_string;
    else if (!in_string && (c == ',' || c == '[' || c == '{'))
      ++count;
  }
  return count;
}

}  // namespace

BodyFields BodyFields::parse(std::string_view body, size_t most_values) {
  if (const auto byte = find_invalid_utf8(body))
    refuse_field("", "invalid_utf8", "the body is not valid UTF-8 at byte {}", *byte + 1);
  if (const size_t values = count_values(body); values > most_values)
    refuse_field("", "too_large", "the body has {} JSON values: expected at most {}", values,
                 most_values);
  Json json;
  try {
    json = Json::parse(body, "the body");
  } catch (const Error& e) {
    refuse_field("", "invalid_json", "{}", e.what());
  }
  if (!json.is_object())
    refuse_field("", "invalid_json", "the body: expected an object, found {}", json.type_name());
  return BodyFields(std::move(json));
}

void BodyFields::refuse(std::string_view name, std::string_view expected, const Json& found) {
  refuse_field(std::string(name), "invalid_value", "'{}': expected {}, found {}", name, expected,
               shown(found));
}

const Json* BodyFields::find(std::string_view name) const {
  const Json* value = json_.find(name);
  return value && !value->is_null() ? value : nullptr;
}

std::optional<bool> BodyFields::boolean(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_bool()) refuse(name, "true or false", *value);
  return value->as_bool();
}

std::optional<int64_t> BodyFields::integer(std::string_view name, int64_t low, int64_t high) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_int() || value->as_int() < low || value->as_int() > high)
    refuse(name, fmt::format("an integer from {} to {}", low, high), *value);
  return value->as_int();
}

std::optional<double> BodyFields::number(std::string_view name, double low, double high) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  const double found = value->is_number() ? value->as_number() : NAN;
  if (!(found >= low && found <= high))
    refuse(name, fmt::format("a number from {} to {}", low, high), *value);
  return found;
}

std::optional<std::string> BodyFields::text(std::string_view name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) refuse(name, "a string", *value);
  return value->as_string();
}

std::vector<std::string> BodyFields::texts(std::string_view name, size_t most) const {
  const Json* value = find(name);
  if (!value) return {};
  const std::string expected =
      fmt::format("a string or an array of at most {} strings, none empty", most);
  const Json::Array list = value->is_array() ? value->as_array() : Json::Array{*value};
  if (list.size() > most) refuse(name, expected, *value);
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (!text.is_string() || text.as_string().empty()) refuse(name, expected, text);
    texts.push_back(text.as_string());
  }
  return texts;
}

std::vector<int32_t> read_token_ids(std::string_view name, const Json& list, int32_t vocab) {
  const auto expected = [&] {
    return fmt::format("an array of token ids from 0 to {}, not empty", vocab - 1);
  };
  if (!list.is_array() || list.as_array().empty()) BodyFields::refuse(name, expected(), list);
  std::vector<int32_t> tokens;
  tokens.reserve(list.as_array().size());
  for (const Json& id : list.as_array()) {
    if (!id.is_int() || id.as_int() < 0 || id.as_int() >= vocab)
      BodyFields::refuse(name, expected(), id);
    tokens.push_back(static_cast<int32_t>(id.as_int()));
  }
  return tokens;
}

}  // namespace kvs
