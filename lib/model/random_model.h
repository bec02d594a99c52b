#pragma once

#include <memory>
#include <string_view>

#include "kvs/model_files.h"

namespace kvs {

/// A model with generated weights; see open_model_files().
std::unique_ptr<ModelFiles> open_random_model(std::string_view shape);

}  // namespace kvs
