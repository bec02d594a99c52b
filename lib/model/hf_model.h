#pragma once

#include <filesystem>
#include <memory>

#include "kvs/model_files.h"

namespace kvs {

/// A model in a Hugging Face directory; see open_model_files().
std::unique_ptr<ModelFiles> open_hf_model(const std::filesystem::path& directory);

}  // namespace kvs
