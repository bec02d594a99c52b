#include "kernels/cuda/few_rows.cuh"
#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.cuh"

// The weights of attention themselves, for a few rows: all their scores are kept, then weighed, and
// added up in order, so that a result does not depend on which block came first.
namespace kvs::cuda {
namespace {

/// Scores of one KV head's pairs with the keys of some tiles. Vector v = pair * K + KV head.
template <KvType type>
__global__ void __launch_bounds__(kFewThreads)
    mass_scores_kernel(float* scores, const float* qkv, BatchView batch, MassTask task) {
  extern __shared__ __align__(16) unsigned char memory[];
  FewRows& few = *reinterpret_cast<FewRows*>(memory);
  const int dim = batch.head_dim, kv_head = blockIdx.y,
            pairs = task.row_count * (batch.heads / batch.kv_heads);
  const int pair_begin = static_cast<int>(blockIdx.x) * kRowPairs;
  const KvPlanes& planes = batch.planes;
  const size_t key = planes.key + kv_head * planes.head_bytes;
  const size_t key_scale = planes.key_scale + kv_head * planes.head_scale_bytes;

  begin_rows(few, batch, pair_begin, pairs, [&](int row) { return task.rows[row]; });
  __syncthreads();
  const int first = task.tile_begin + static_cast<int>(blockIdx.z) * kMassTiles;
  for (int index = first; index < min(first + kMassTiles, task.tile_end); ++index) {
    const KvTile tile = batch.tiles[index];
    describe_tile(few.columns, batch, tile);
    rotate_queries(few, qkv, batch, pair_begin, kv_head, tile.shift);
    __syncthreads();
    load_tile<type>(few.tile(dim), few.columns, batch, key, key_scale);
    __syncthreads();
    score(few, dim, batch.window);
    __syncthreads();
    for (int i = threadIdx.x; i < kRowPairs * kTileKeys; i += kFewThreads) {
      const int pair = i / kTileKeys, position = few.columns.position[i % kTileKeys];
      if (few.rows[pair] < 0 || position >= task.positions) continue;
      const int64_t vector = int64_t{pair_begin + pair} * batch.kv_heads + kv_head;
      scores[vector * task.positions + position] = few.scores[pair][i % kTileKeys];
    }
    __syncthreads();
  }
}

/// A block for each vector: its largest score and the sum of its weights relative to that.
__global__ void mass_sums_kernel(float2* sums, const float* scores, int64_t positions) {
  __shared__ float largest[kThreads / kWarp];
  const float* own = scores + blockIdx.x * positions;
  float found = -INFINITY;
  for (int64_t p = threadIdx.x; p < positions; p += kThreads) found = fmaxf(found, own[p]);
  found = warp_max(found);
  if (threadIdx.x % kWarp == 0) largest[threadIdx.x / kWarp] = found;
  __syncthreads();
  for (const float other : largest) found = fmaxf(found, other);

  float sum = 0;
  for (int64_t p = threadIdx.x; p < positions; p += kThreads) sum += exp2f(own[p] - found);
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = {found, sum};
}

__global__ void add_mass_kernel(float* mass, const float* scores, const float2* sums,
                                int64_t vectors, int64_t positions, float share) {
  for (int64_t p = first_index(); p < positions; p += index_stride()) {
    float total = 0;
    for (int64_t vector = 0; vector < vectors; ++vector)
      total += exp2f(scores[vector * positions + p] - sums[vector].x) / sums[vector].y;
    mass[p] += share * total;
  }
}

template <KvType type>
cudaError_t launch_scores(float* scores, const float* qkv, const BatchView& batch,
                          const MassTask& task, cudaStream_t stream) {
  const int bytes = few_rows_bytes(batch.head_dim), tiles = task.tile_end - task.tile_begin;
  const cudaError_t status = cudaFuncSetAttribute(
      mass_scores_kernel<type>, cudaFuncAttributeMaxDynamicSharedMemorySize,
      few_rows_bytes(kMaxHeadDim));  // the same for all callers: it holds for the process
  if (status != cudaSuccess) return status;
  const int64_t pairs = int64_t{task.row_count} * (batch.heads / batch.kv_heads);
  const auto [x, y, z] = mass_grid(pairs, batch.kv_heads, tiles);
  mass_scores_kernel<type><<<dim3(x, y, z), kFewThreads, bytes, stream>>>(scores, qkv, batch, task);
  return cudaGetLastError();
}

cudaError_t launch_scores_of(KvType type, float* scores, const float* qkv, const BatchView& batch,
                             const MassTask& task, cudaStream_t stream) {
  switch (type) {
    case KvType::f32:
      return launch_scores<KvType::f32>(scores, qkv, batch, task, stream);
    case KvType::f16:
      return launch_scores<KvType::f16>(scores, qkv, batch, task, stream);
    case KvType::bf16:
      return launch_scores<KvType::bf16>(scores, qkv, batch, task, stream);
    case KvType::q8:
      break;
  }
  return launch_scores<KvType::q8>(scores, qkv, batch, task, stream);
}

}  // namespace

cudaError_t attention_mass(float* mass, const float* qkv, const BatchView& batch,
                           const MassTask& task, float* scratch, cudaStream_t stream) {
  if (task.row_count == 0) return cudaSuccess;
  const int64_t vectors = int64_t{task.row_count} * batch.heads;
  auto* sums = reinterpret_cast<float2*>(scratch);
  float* scores = scratch + 2 * vectors;
  const cudaError_t status = launch_scores_of(batch.planes.type, scores, qkv, batch, task, stream);
  if (status != cudaSuccess) return status;
  mass_sums_kernel<<<static_cast<unsigned>(vectors), kThreads, 0, stream>>>(sums, scores,
                                                                            task.positions);
  add_mass_kernel<<<blocks_for(task.positions), kThreads, 0, stream>>>(
      mass, scores, sums, vectors, task.positions, 1 / static_cast<float>(batch.heads));
  return cudaGetLastError();
}

}  // namespace kvs::cuda
