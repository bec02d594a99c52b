#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kv_planes.h"

namespace kvs::cpu {

/// One token's cached row and where it goes.
struct KvRowMove {
  const std::byte* block;
  std::byte* target;
  int32_t row, target_row;
  const double* angles;  ///< [D]: cosines, then sines, of turn * frequency; null: keys stay
};

/// Rows to be copied in all layers.
struct KvMoves {
  const KvRowMove* moves = nullptr;
  int layers = 0, kv_heads = 0, head_dim = 0;
  KvPlanes planes;  ///< of layer 0
  size_t layer_bytes = 0;
};

}  // namespace kvs::cpu
