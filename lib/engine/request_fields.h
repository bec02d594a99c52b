#pragma once

#include <string_view>

#include "kvs/json.h"
#include "kvs/request.h"

namespace kvs {

/// Copies the fields of one JSON request into `request`. Throws Error(format) that begins with
/// `where` and names the field.
void read_fields(const Json& json, std::string_view where, Request& request);

}  // namespace kvs
