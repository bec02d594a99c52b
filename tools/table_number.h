#pragma once

#include <fmt/format.h>

#include <string>

#include "kvs/json.h"

namespace kvs {

/// A cell of a table: so many digits behind the point, "-" for null.
inline std::string number(const Json& value, int digits, double scale = 1) {
  return value.is_number() ? fmt::format("{:.{}f}", value.as_number() * scale, digits) : "-";
}

}  // namespace kvs
