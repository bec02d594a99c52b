#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/launch_grid.h"

namespace kvs::cuda {
namespace {

__device__ uint64_t key_of(float logit, int64_t token) {
  const uint32_t bits = __float_as_uint(logit);
  // -0 and 0 are equal; what is not equal to itself is NaN.
  const uint32_t ordered = bits >> 31 ? ~bits + (bits == 0x80000000U) : bits | 0x80000000U;
  return uint64_t{logit == logit ? ordered : 0} << 32 | ~static_cast<uint32_t>(token);
}
__device__ uint64_t key_of(uint64_t key, int64_t) {
  return key;
}

// Bitonic, falling. Source: Batcher 1968, "Sorting networks and their applications".
__device__ void sort(uint64_t (&keys)[kTopBlock]) {
  for (int size = 2; size <= kTopBlock; size *= 2)
    for (int step = size / 2; step > 0; step /= 2) {
      __syncthreads();
      for (int i = threadIdx.x; i < kTopBlock / 2; i += kThreads) {
        const int low = 2 * i - (i & (step - 1)), high = low + step;
        const bool falling = (low & size) == 0;
        if ((keys[low] < keys[high]) != falling) continue;
        const uint64_t other = keys[low];
        keys[low] = keys[high];
        keys[high] = other;
      }
    }
  __syncthreads();
}

// The largest of kTopBlock neighbours in a row: grid [blocks of a row, rows].
template <typename Source>
__global__ void top_logits_kernel(uint64_t* out, const Source* in, int64_t count, int keep) {
  __shared__ uint64_t keys[kTopBlock];
  for (int i = threadIdx.x; i < kTopBlock; i += kThreads) {
    const int64_t at = int64_t{blockIdx.x} * kTopBlock + i;
    keys[i] = at < count ? key_of(in[blockIdx.y * count + at], at) : 0;  // behind all others
  }
  sort(keys);
  uint64_t* to = out + (int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * keep;
  for (int i = threadIdx.x; i < keep; i += kThreads) to[i] = keys[i];
}

__global__ void take_logits_kernel(float* values, float* logits, const LogitPlace* places,
                                   int64_t count, int64_t vocab) {
  for (int64_t i = first_index(); i < count; i += index_stride()) {
    float& logit = logits[places[i].row * vocab + places[i].token];
    values[i] = logit;
    logit = NAN;
  }
}

}  // namespace

cudaError_t take_logits(float* values, float* logits, const LogitPlace* places, int64_t count,
                        int64_t vocab, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  take_logits_kernel<<<blocks_for(count), kThreads, 0, stream>>>(values, logits, places, count,
                                                                 vocab);
  return cudaGetLastError();
}

cudaError_t top_logits(uint64_t* keys, const float* logits, int64_t rows, int64_t vocab, int keep,
                       cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  uint64_t* const halves[] = {keys, keys + top_logit_keys(rows, vocab, keep)};
  int passes = 1;
  for (int64_t n = vocab; top_blocks(n) > 1; n = top_blocks(n) * keep) ++passes;
  const auto grid = [&](int64_t n) {
    const auto [x, y, z] = top_logits_grid(n, rows);
    return dim3(x, y, z);
  };
  top_logits_kernel<float>
      <<<grid(vocab), kThreads, 0, stream>>>(halves[--passes % 2], logits, vocab, keep);
  for (int64_t n = top_blocks(vocab) * keep; passes > 0; n = top_blocks(n) * keep) {
    const uint64_t* from = halves[passes % 2];
    top_logits_kernel<uint64_t>
        <<<grid(n), kThreads, 0, stream>>>(halves[--passes % 2], from, n, keep);
  }
  return cudaGetLastError();
}

}  // namespace kvs::cuda
