#include <cuda_bf16.h>

#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.cuh"

namespace kvs::cuda {
namespace {

// A hash of the index (Wang), as good as noise for a product's power draw.
__device__ float noise(uint64_t index, uint32_t seed) {
  auto x = static_cast<uint32_t>(index) * 2654435761U ^ static_cast<uint32_t>(index >> 32) ^ seed;
  x = (x ^ 61U) ^ (x >> 16);
  x *= 9U;
  x ^= x >> 4;
  x *= 0x27d4eb2dU;
  x ^= x >> 15;
  return static_cast<float>(x) * 0x1p-31F - 1;
}

template <typename Element>
__global__ void fill_noise_kernel(Element* data, int64_t count, uint32_t seed) {
  for (int64_t i = first_index(); i < count; i += index_stride())
    data[i] = static_cast<Element>(noise(static_cast<uint64_t>(i), seed));
}

__global__ void add_up_kernel(float* sum, const float4* data, int64_t count) {
  float found = 0;
  for (int64_t i = first_index(); i < count; i += index_stride()) {
    const float4 x = data[i];
    found += x.x + x.y + x.z + x.w;
  }
  found = block_sum(found);
  if (threadIdx.x == 0) atomicAdd(sum, found);
}

}  // namespace

cudaError_t fill_noise(void* data, bool bf16, int64_t count, uint32_t seed, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  const unsigned blocks = blocks_for(count);
  if (bf16)
    fill_noise_kernel<__nv_bfloat16>
        <<<blocks, kThreads, 0, stream>>>(static_cast<__nv_bfloat16*>(data), count, seed);
  else
    fill_noise_kernel<float>
        <<<blocks, kThreads, 0, stream>>>(static_cast<float*>(data), count, seed);
  return cudaGetLastError();
}

cudaError_t add_up(float* sum, const float* data, int64_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  add_up_kernel<<<blocks_for(count / 4 / 8), kThreads, 0, stream>>>(
      sum, reinterpret_cast<const float4*>(data), count / 4);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
