#pragma once

#include <filesystem>

#include "kvs/json.h"

namespace kvs {

/// The JSON document of a file of a model's folder, at most 100 MB. Throws Error(io) where it
/// cannot be read, Error(format) where it is too large or no JSON.
Json read_json_file(const std::filesystem::path& path);

/// Whether the file is there; one that cannot be looked at is reported by whoever opens it.
bool is_there(const std::filesystem::path& path);

}  // namespace kvs
