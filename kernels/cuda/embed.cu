#include <cuda_bf16.h>

#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"

namespace kvs::cuda {
namespace {

__device__ float widened(float x) {
  return x;
}
__device__ float widened(__nv_bfloat16 x) {
  return __bfloat162float(x);
}

template <typename Element>
__global__ void embed_kernel(float* out, const Element* table, const int32_t* tokens, int64_t rows,
                             int64_t dim, int64_t stride) {
  for (int64_t i = first_index(); i < rows * dim; i += index_stride()) {
    const int64_t row = i / dim;
    out[i] = widened(table[tokens[row] * stride + (i - row * dim)]);
  }
}

}  // namespace

cudaError_t embed(float* out, const void* table, bool bf16, const int32_t* tokens, int64_t rows,
                  int64_t dim, int64_t stride, cudaStream_t stream) {
  if (rows * dim == 0) return cudaSuccess;  // an empty grid is an error to CUDA, not to us
  const unsigned blocks = blocks_for(rows * dim);
  if (bf16)
    embed_kernel<__nv_bfloat16><<<blocks, kThreads, 0, stream>>>(
        out, static_cast<const __nv_bfloat16*>(table), tokens, rows, dim, stride);
  else
    embed_kernel<float><<<blocks, kThreads, 0, stream>>>(out, static_cast<const float*>(table),
                                                         tokens, rows, dim, stride);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
