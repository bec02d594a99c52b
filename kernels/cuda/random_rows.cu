#include <cuda_bf16.h>

#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"

namespace kvs::cuda {
namespace {

// The definition is generate_rows(), lib/backend/random_rows.cpp: whole numbers and one product, so
// that both give the same bits.
__device__ uint64_t mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
  value = (value ^ value >> 27) * 0x94d049bb133111ebU;
  return value ^ value >> 31;
}

__device__ uint32_t mix_small(uint32_t value) {
  value = (value ^ value >> 16) * 0x7feb352dU;
  value = (value ^ value >> 15) * 0x846ca68bU;
  return value ^ value >> 16;
}

template <typename Element>
__global__ void random_rows_kernel(Element* out, NoiseRows rows) {
  const uint64_t start = mix(rows.key);
  for (int64_t i = first_index(); i < rows.rows * rows.stride; i += index_stride()) {
    const int64_t row = i / rows.stride, column = i - row * rows.stride;
    const uint64_t key = mix(start + static_cast<uint64_t>(row));
    const uint32_t low = static_cast<uint32_t>(key), step = static_cast<uint32_t>(key >> 32) | 1U;
    const uint32_t bits = mix_small(low + static_cast<uint32_t>(column) * step);
    const float x = rows.scale * static_cast<float>(static_cast<int32_t>(bits));
    out[i] = static_cast<Element>(column < rows.cols ? x : 0.0F);
  }
}

}  // namespace

cudaError_t random_rows(void* out, bool bf16, const NoiseRows& rows, cudaStream_t stream) {
  if (rows.rows * rows.stride == 0) return cudaSuccess;
  const unsigned blocks = blocks_for(rows.rows * rows.stride);
  if (bf16)
    random_rows_kernel<__nv_bfloat16>
        <<<blocks, kThreads, 0, stream>>>(static_cast<__nv_bfloat16*>(out), rows);
  else
    random_rows_kernel<float><<<blocks, kThreads, 0, stream>>>(static_cast<float*>(out), rows);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
