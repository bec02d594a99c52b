#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kvs/export.h"

namespace kvs {

/// How a stored tensor's elements are encoded. The quantised types hold blocks of 32 elements (q8_0
/// to q5_1) or 256 (the _k types), each with its own scales.
/// Source: GGUF specification, "ggml_type".
enum class TensorType { f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k };

/// Elements and bytes of one block; plain types have blocks of one element.
struct BlockSize {
  int64_t elements;
  int64_t bytes;
};

KVS_API BlockSize block_size(TensorType type);
KVS_API std::string_view tensor_type_name(TensorType type);  ///< "q4_k"

/// Bytes of `elements` elements, at least 0 of them; none where they are no whole number of blocks
/// or their bytes do not fit in 63 bits.
KVS_API std::optional<int64_t> find_tensor_bytes(TensorType type, int64_t elements);

/// The product of two extents, none where it does not fit in 63 bits or one is negative.
KVS_API std::optional<int64_t> find_product(int64_t a, int64_t b);

}  // namespace kvs
