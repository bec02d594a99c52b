#pragma once

#include <cstdint>

namespace kvs::cuda {

inline constexpr int kThreads = 256;
inline constexpr int64_t kMostBlocks = 65535;  // of a grid's y, and enough for a strided loop

/// Blocks for `count` elements, one a thread; a kernel's loop strides over what exceeds the grid.
inline unsigned blocks_for(int64_t count) {
  const int64_t blocks = (count + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks);
}

__device__ inline int64_t first_index() {
  return int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
}
__device__ inline int64_t index_stride() {
  return int64_t{gridDim.x} * blockDim.x;
}

}  // namespace kvs::cuda
