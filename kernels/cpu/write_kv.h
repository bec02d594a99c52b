#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/kv_planes.h"

namespace kvs::cpu {

/// Where a row's key and value go; null block: nowhere.
struct KvPlace {
  std::byte* block;
  int32_t slot;
};

/// The keys and values of T rows, K heads of D elements each, and where one layer keeps them.
struct KvWrite {
  const float* keys = nullptr;    ///< [T, stride], K D elements of each row
  const float* values = nullptr;  ///< [T, stride]
  int64_t stride = 0;
  const double* row_angles = nullptr;  ///< [T, D]: cosines, then sines, of position * frequency
  const KvPlace* places = nullptr;     ///< [T]
  int kv_heads = 0, head_dim = 0;
  KvPlanes planes;
};

}  // namespace kvs::cpu
