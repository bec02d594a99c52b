#pragma once

#include <cstddef>
#include <cstdint>

#include "kvs/export.h"
#include "kvs/tensor_type.h"

namespace kvs {

/// Decodes stored elements into f32, bit by bit what the format defines.
/// blocks: [find_tensor_bytes(type, count)] bytes, at any alignment; out: [count]; `count` is a
/// multiple of block_size(type).elements.
/// Source: GGUF specification; the layouts of the block types are those of ggml-common.h.
KVS_API void dequantize(TensorType type, const std::byte* blocks, int64_t count, float* out);

}  // namespace kvs
