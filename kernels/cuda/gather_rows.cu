#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"

namespace kvs::cuda {
namespace {

__global__ void gather_rows_kernel(float* out, const float* x, const int32_t* rows, int64_t count,
                                   int64_t dim) {
  for (int64_t i = first_index(); i < count * dim; i += index_stride()) {
    const int64_t row = i / dim;
    out[i] = x[rows[row] * dim + (i - row * dim)];
  }
}

}  // namespace

cudaError_t gather_rows(float* out, const float* x, const int32_t* rows, int64_t count, int64_t dim,
                        cudaStream_t stream) {
  if (count * dim == 0) return cudaSuccess;
  gather_rows_kernel<<<blocks_for(count * dim), kThreads, 0, stream>>>(out, x, rows, count, dim);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
