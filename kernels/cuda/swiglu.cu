#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/result.cuh"

namespace kvs::cuda {
namespace {

__global__ void swiglu_kernel(Result out, const float* gate_up, int64_t rows, int64_t dim) {
  for (int64_t i = first_index(); i < rows * dim; i += index_stride()) {
    const int64_t row = i / dim, column = i - row * dim;
    const float gate = gate_up[2 * row * dim + column];
    const float up = gate_up[(2 * row + 1) * dim + column];
    store(out, i, gate / (1 + expf(-gate)) * up);
  }
}

}  // namespace

cudaError_t swiglu(Result out, const float* gate_up, int64_t rows, int64_t dim,
                   cudaStream_t stream) {
  if (rows * dim == 0) return cudaSuccess;
  swiglu_kernel<<<blocks_for(rows * dim), kThreads, 0, stream>>>(out, gate_up, rows, dim);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
