#pragma once

#include <string_view>

#include "kvs/error.h"
#include "kvs/tensor.h"

namespace kvs {

/// Throws Error(mismatch): "rms_norm: weight has shape [64], expected [65]".
inline void expect_shape(std::string_view op, std::string_view name, const Tensor& found,
                         const Shape& expected) {
  if (found.shape != expected)
    fail(ErrorKind::mismatch, "{}: {} has shape {}, expected {}", op, name, found.shape.to_string(),
         expected.to_string());
}

/// Throws Error(mismatch): "rms_norm: x has shape [64], expected 2 extents".
inline void expect_rank(std::string_view op, std::string_view name, const Tensor& found, int rank) {
  if (found.shape.rank() != rank)
    fail(ErrorKind::mismatch, "{}: {} has shape {}, expected {} extents", op, name,
         found.shape.to_string(), rank);
}

/// Throws Error(mismatch): "rms_norm: x has type f16, expected f32".
inline void expect_type(std::string_view op, std::string_view name, const Tensor& found,
                        DType expected) {
  if (found.type != expected)
    fail(ErrorKind::mismatch, "{}: {} has type {}, expected {}", op, name, dtype_name(found.type),
         dtype_name(expected));
}

}  // namespace kvs
