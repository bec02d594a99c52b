#pragma once

#include <string>

#include "kvs/json.h"

namespace kvs {

/// What summarize_load() says, in lines that a person reads.
std::string load_table_of(const Json& load);

}  // namespace kvs
