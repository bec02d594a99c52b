#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"

namespace kvs::cuda {
namespace {

__global__ void add_bias_kernel(float* out, const float* bias, int64_t rows, int64_t dim,
                                bool accumulate) {
  for (int64_t i = first_index(); i < rows * dim; i += index_stride())
    out[i] = (accumulate ? out[i] : 0.0F) + bias[i % dim];
}

}  // namespace

cudaError_t add_bias(float* out, const float* bias, int64_t rows, int64_t dim, bool accumulate,
                     cudaStream_t stream) {
  if (rows * dim == 0) return cudaSuccess;
  add_bias_kernel<<<blocks_for(rows * dim), kThreads, 0, stream>>>(out, bias, rows, dim,
                                                                   accumulate);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
