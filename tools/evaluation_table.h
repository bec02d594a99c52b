#pragma once

#include <string>

#include "kvs/json.h"

namespace kvs {

/// A workload's figures (kvs/evaluation.h) for a person: a line for each policy and budget, the
/// noise floor last.
std::string evaluation_table_of(const Json& workload);

}  // namespace kvs
