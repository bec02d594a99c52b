#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kvs/error.h"
#include "kvs/json.h"

namespace kvs {

/// Empty where the member is missing or null.
std::optional<double> optional_number(const Json& json, std::string_view key);
/// "" where the member is missing or no text.
std::string text_of(const Json& json, std::string_view key);
/// Model, device, machine and commit, as far as the evaluation names them.
std::string origin_of(const Json& evaluation);

/// Calls `read` and puts where it was in front of what is wrong.
template <typename Read>
auto read_at(const std::string& where, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Error(error.kind(), where + ": " + error.what());
  }
}

}  // namespace kvs
