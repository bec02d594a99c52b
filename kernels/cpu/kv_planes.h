#pragma once

#include <cstddef>

namespace kvs::cpu {

inline constexpr int kMaxHeadDim = 256;  ///< head_dim is a multiple of 8 up to this

enum class KvType { f32, f16, bf16, q8 };

/// Where one layer's planes lie in a block: byte offsets of head 0 and distances between heads.
struct KvPlanes {
  KvType type = KvType::f16;
  size_t key = 0, value = 0;
  size_t key_scale = 0, value_scale = 0;  ///< q8 only
  size_t head_bytes = 0, head_scale_bytes = 0, row_bytes = 0;
};

}  // namespace kvs::cpu
