#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"

namespace kvs::cuda {
namespace {

__global__ void angle_table_kernel(float2* angles, const int32_t* multiples,
                                   const double* frequencies, int64_t count, int half) {
  for (int64_t i = first_index(); i < count * half; i += index_stride()) {
    double sine, cosine;
    sincos(multiples[i / half] * frequencies[i % half], &sine, &cosine);
    angles[i] = {static_cast<float>(cosine), static_cast<float>(sine)};
  }
}

}  // namespace

cudaError_t angle_table(float* angles, const int32_t* multiples, const double* frequencies,
                        int64_t count, int half, cudaStream_t stream) {
  if (count * half == 0) return cudaSuccess;
  angle_table_kernel<<<blocks_for(count * half), kThreads, 0, stream>>>(
      reinterpret_cast<float2*>(angles), multiples, frequencies, count, half);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
