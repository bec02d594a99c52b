#include "eval/report_json.h"

namespace kvs {

std::optional<double> optional_number(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  if (value == nullptr || value->is_null()) return std::nullopt;
  return value->as_number();
}

std::string text_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

std::string origin_of(const Json& evaluation) {
  std::string origin;
  for (const char* key : {"model", "device", "machine", "commit"})
    if (const std::string text = text_of(evaluation, key); !text.empty())
      origin += (origin.empty() ? "" : " · ") + text;
  return origin;
}

}  // namespace kvs
