#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kvs/tensor_type.h"

namespace kvs {

/// One tensor of a mapped file. `shape` is row-major, outermost first; `data` points into the file,
/// at any alignment. Name and data are valid as long as the file's object.
struct StoredTensor {
  std::string_view name;
  TensorType type = TensorType::f32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  int64_t bytes = 0;
};

}  // namespace kvs
