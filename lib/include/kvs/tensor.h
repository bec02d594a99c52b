#pragma once

#include <cstddef>
#include <cstdint>

#include "kvs/export.h"
#include "kvs/shape.h"

namespace kvs {

/// Element types of activations and of cached keys and values. `q8` exists for KV only: int8 with
/// one f32 scale per token and head.
enum class DType { f32, f16, bf16, q8 };

/// Bytes of one element, without scales.
constexpr size_t element_bytes(DType type) {
  return type == DType::f32 ? 4 : type == DType::q8 ? 1 : 2;
}

KVS_API const char* dtype_name(DType type);

/// Elements on a Backend, dense and row-major. Owns nothing.
struct Tensor {
  void* data = nullptr;
  DType type = DType::f32;
  Shape shape{};

  /// The rows [first, first + count) of a tensor of rank 1 or 2.
  Tensor rows(int64_t first, int64_t count) const {
    const int64_t width = shape.rank() == 2 ? shape[1] : 1;
    auto* start = static_cast<std::byte*>(data) + first * width * element_bytes(type);
    return {start, type, shape.rank() == 2 ? Shape{count, width} : Shape{count}};
  }
};

}  // namespace kvs
