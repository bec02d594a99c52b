#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kv_planes.h"

namespace kvs::cpu {

/// One token's row as computed and as kept.
struct KvRowPair {
  const std::byte* block;
  const std::byte* kept_block;
  int32_t row, kept_row;
  /// [D]: cosines, then sines, of (kept home - home) * frequency; null where they are equal.
  const double* angles;
};

/// Rows to be compared in one layer.
struct KvComparison {
  const KvRowPair* pairs = nullptr;
  int kv_heads = 0, head_dim = 0;
  KvPlanes planes;
  float* out = nullptr;  ///< [pairs, 3]: sums of (k - k')^2, (v - v')^2 and |v - v'|
};

}  // namespace kvs::cpu
