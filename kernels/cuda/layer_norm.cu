#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.cuh"

namespace kvs::cuda {
namespace {

constexpr int kThreads = 256;

// One block per row. The variance is that of the differences to the mean, a pass of its own: the
// difference of two large sums would lose it.
__global__ void layer_norm_kernel(float* out, const float* x, const float* weight,
                                  const float* bias, int64_t dim, float eps) {
  const int64_t start = blockIdx.x * dim;
  float total = 0;
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) total += x[start + i];
  const float mean = block_sum(total) / static_cast<float>(dim);

  float squares = 0;
  for (int64_t i = threadIdx.x; i < dim; i += kThreads) {
    const float distance = x[start + i] - mean;
    squares += distance * distance;
  }

  // The barriers of block_sum() keep reads before writes where out is x.
  const float scale = 1 / sqrtf(block_sum(squares) / static_cast<float>(dim) + eps);
  for (int64_t i = threadIdx.x; i < dim; i += kThreads)
    out[start + i] = (x[start + i] - mean) * scale * weight[i] + bias[i];
}

}  // namespace

cudaError_t layer_norm(float* out, const float* x, const float* weight, const float* bias,
                       int64_t rows, int64_t dim, float eps, cudaStream_t stream) {
  if (rows * dim == 0) return cudaSuccess;
  layer_norm_kernel<<<static_cast<unsigned>(rows), kThreads, 0, stream>>>(out, x, weight, bias, dim,
                                                                          eps);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
