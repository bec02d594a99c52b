#include <cuda_bf16.h>

#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"

namespace kvs::cuda {
namespace {

__global__ void round_kernel(__nv_bfloat16* out, const float* x, int64_t rows, int64_t dim,
                             int64_t stride) {
  for (int64_t i = first_index(); i < rows * stride; i += index_stride()) {
    const int64_t row = i / stride, column = i - row * stride;
    out[i] = __float2bfloat16_rn(column < dim ? x[row * dim + column] : 0.0F);
  }
}

}  // namespace

cudaError_t round_to_bf16(void* out, const float* x, int64_t rows, int64_t dim, int64_t stride,
                          cudaStream_t stream) {
  if (rows * stride == 0) return cudaSuccess;
  round_kernel<<<blocks_for(rows * stride), kThreads, 0, stream>>>(static_cast<__nv_bfloat16*>(out),
                                                                   x, rows, dim, stride);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
