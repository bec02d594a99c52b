#pragma once

#include <cstdint>

#include "kvs/model_files.h"

namespace kvs {

struct WeightShape {
  int64_t rows;
  int64_t cols;
};

/// What WeightKind says of each weight, for this configuration.
WeightShape weight_shape(const ModelConfig& config, WeightKind kind);

}  // namespace kvs
