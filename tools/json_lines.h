#pragma once

#include <string>
#include <vector>

#include "kvs/json.h"
#include "tools/input.h"

namespace kvs {

/// All there is to read. Throws Error(format) beyond 256 MiB.
std::string read_text(Input& input);

/// The lines of a file, or of standard input for "-", but for empty ones. Throws Error(format),
/// naming file and line, where one is no JSON.
std::vector<Json> read_json_lines(const std::string& path);

}  // namespace kvs
