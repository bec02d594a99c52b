#pragma once

#include <string>
#include <string_view>

#include "kvs/error.h"
#include "kvs/json.h"

namespace kvs {

/// Runs `body` and opens the message of an Error that does not open with `subject` already with it:
/// Json's own errors name neither file nor part.
template <typename Body>
void with_subject(const std::string& subject, Body body) {
  try {
    body();
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(subject)) throw;
    throw Error(error.kind(), subject + ": " + error.what());
  }
}

/// The member, or `fallback` where it is absent or null.
inline bool bool_field(const Json& json, std::string_view key, bool fallback) {
  const Json* field = json.find(key);
  return field && !field->is_null() ? field->as_bool() : fallback;
}

inline std::string string_field(const Json& json, std::string_view key, std::string fallback) {
  const Json* field = json.find(key);
  return field && !field->is_null() ? field->as_string() : fallback;
}

}  // namespace kvs
