#pragma once

#include <cstddef>
#include <span>

#include "kvs/tensor.h"

namespace kvs {

// Elements of f32, f16 or bf16 keys and values, which are not aligned, as floats.

/// [count] elements -> [count]; the bytes are a multiple of an element's.
void load_elements(std::span<const std::byte> elements, DType type, float* values);

/// Rounds to nearest, ties to even; what is too large becomes the largest finite number. No NaN.
void store_elements(std::span<const float> values, DType type, std::byte* elements);

}  // namespace kvs
