#include "kernels/cuda/kernels.h"
#include "kernels/cuda/launch_grid.h"
#include "kernels/cuda/result.cuh"

namespace kvs::cuda {
namespace {

constexpr int kMergeThreads = 128;

// A block merges one merge's pairs of one KV head, one after another.
__global__ void merge_partials_kernel(Result out, BatchView batch, const AttentionMerge* merges) {
  const AttentionMerge merge = merges[blockIdx.x];
  const int kv_head = blockIdx.y, dim = batch.head_dim;
  const int group = batch.heads / batch.kv_heads, pairs = merge.pair_end - merge.pair_begin;
  const auto part_of = [&](int pair, int part) {
    const int64_t slot = merge.partial + int64_t{part} * pairs + pair;
    return batch.partials + (slot * batch.kv_heads + kv_head) * (dim + kPartialExtras);
  };
  for (int pair = 0; pair < pairs; ++pair) {
    float largest = -INFINITY, weights = 0;
    for (int part = 0; part < merge.parts; ++part)
      largest = fmaxf(largest, part_of(pair, part)[dim]);
    for (int part = 0; part < merge.parts; ++part) {
      const float* found = part_of(pair, part);
      weights += exp2f(found[dim] - largest) * found[dim + 1];
    }
    const int row = (merge.pair_begin + pair) / group, head = (merge.pair_begin + pair) % group;
    const int64_t first = (int64_t{row} * batch.heads + kv_head * group + head) * dim;
    for (int d = threadIdx.x; d < dim; d += kMergeThreads) {
      float sum = 0;
      for (int part = 0; part < merge.parts; ++part) {
        const float* found = part_of(pair, part);
        sum += exp2f(found[dim] - largest) * found[d];
      }
      store(out, first + d, sum / weights);
    }
  }
}

}  // namespace

cudaError_t merge_partials(Result out, const BatchView& batch, const AttentionMerge* merges,
                           int64_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  const auto [x, y, z] = task_grid(count, batch.kv_heads);
  merge_partials_kernel<<<dim3(x, y, z), kMergeThreads, 0, stream>>>(out, batch, merges);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
