#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

#include "support/emulated_cuda/capture.h"
#include "support/emulated_cuda/limits.h"

// CUDA's kernels on the CPU, slowly: the threads of a block are fibers that take turns at barriers
// and at the exchanges of a warp; blocks run one after another. It checks what kernels compute, not
// how they race: a missing barrier shows only where the order of the fibers happens to tell.
#undef __shared__
#define __shared__ static
#undef __launch_bounds__
#define __launch_bounds__(...)

namespace kvs::emulated {

/// Of the running fiber.
extern uint3 thread_index, block_index;
extern dim3 block_extent, grid_extent;
extern unsigned char* dynamic_memory;

/// Runs a grid to its end.
void run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread);

/// Waits for all threads of the block, or of the warp.
void wait_block();
void wait_warp();

/// 256 bytes that this thread shares with its warp between two calls of wait_warp().
std::byte* warp_memory(int lane);
int lane();

template <typename T>
T shuffled(T value, int other) {
  std::memcpy(warp_memory(lane()), &value, sizeof(value));
  wait_warp();
  std::memcpy(&value, warp_memory(other), sizeof(value));
  wait_warp();
  return value;
}

template <typename Kernel>
struct Launch {
  Kernel kernel;
  dim3 grid, block;
  size_t shared_bytes;
  cudaStream_t stream;

  template <typename... Args>
  void operator()(Args... args) const {
    if (!accepts(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes)) return;
    submit(stream, [own = *this, args...] {
      run(own.grid, own.block, own.shared_bytes, [&] { own.kernel(args...); });
    });
  }
};
template <typename Kernel>
Launch<Kernel> launch(Kernel kernel, dim3 grid, dim3 block, size_t shared_bytes,
                      cudaStream_t stream) {
  return {kernel, grid, block, shared_bytes, stream};
}

}  // namespace kvs::emulated

#define threadIdx kvs::emulated::thread_index
#define blockIdx kvs::emulated::block_index
#define blockDim kvs::emulated::block_extent
#define gridDim kvs::emulated::grid_extent

using std::max;
using std::min;

inline void __syncthreads() {
  kvs::emulated::wait_block();
}
inline void __syncwarp() {
  kvs::emulated::wait_warp();
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return kvs::emulated::shuffled(value, kvs::emulated::lane() ^ mask);
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float __fmul_rn(float x, float y) {
  return x * y;
}
inline int __float2int_rn(float x) {
  return static_cast<int>(std::nearbyint(x));
}
inline float atomicAdd(float* sum, float x) {
  return std::exchange(*sum, *sum + x);
}

template <typename Result, typename... Args>
cudaError_t cudaFuncSetAttribute(Result (*kernel)(Args...), cudaFuncAttribute, int bytes) {
  return kvs::emulated::allow_shared(reinterpret_cast<const void*>(kernel), bytes);
}
