#pragma once

#include <filesystem>
#include <memory>

#include "kvs/model_files.h"

namespace kvs {

/// A model in one GGUF file; see open_model_files().
std::unique_ptr<ModelFiles> open_gguf_model(const std::filesystem::path& path);

}  // namespace kvs
