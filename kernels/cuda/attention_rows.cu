#include "kernels/cuda/few_rows.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.cuh"

// Few rows, any type and head_dim: bound by reading the cache once for up to eight pairs.
namespace kvs::cuda {
namespace {

constexpr int kOutputs = kMaxHeadDim / kFewThreads;  // elements of head_dim of one thread

// Scores become weights relative to the largest score so far; a warp takes a quarter of the pairs.
__device__ void weigh(FewRows& few) {
  const int lane = threadIdx.x % kWarp;
  for (int pair = threadIdx.x / kWarp; pair < kRowPairs; pair += kFewThreads / kWarp) {
    const float a = few.scores[pair][lane], b = few.scores[pair][lane + kWarp];
    const float before = few.largest[pair];
    const float largest = fmaxf(before, warp_max(fmaxf(a, b)));
    const float base = largest == -INFINITY ? 0 : largest;  // nothing seen yet
    const float weight_a = exp2f(a - base), weight_b = exp2f(b - base);
    const float sum = warp_sum(weight_a + weight_b);
    few.scores[pair][lane] = weight_a;
    few.scores[pair][lane + kWarp] = weight_b;
    __syncwarp();  // every lane has read `before`
    if (lane == 0) {
      const float fade = exp2f(before - base);
      few.fade[pair] = fade;
      few.largest[pair] = largest;
      few.weights[pair] = few.weights[pair] * fade + sum;
    }
  }
}

__device__ void add_values(float (&sums)[kRowPairs][kOutputs], FewRows& few, int dim) {
  const float* tile = few.tile(dim);
#pragma unroll
  for (int part = 0; part < kOutputs; ++part) {
    const int d = static_cast<int>(threadIdx.x) + part * kFewThreads;
    if (d >= dim) continue;
#pragma unroll
    for (int pair = 0; pair < kRowPairs; ++pair) sums[pair][part] *= few.fade[pair];
    for (int column = 0; column < kTileKeys; ++column) {
      const float value = tile[column * (dim + 1) + d];
#pragma unroll
      for (int pair = 0; pair < kRowPairs; ++pair)
        sums[pair][part] += few.scores[pair][column] * value;
    }
  }
}

__device__ void write_results(Result out, const float (&sums)[kRowPairs][kOutputs],
                              const FewRows& few, const AttentionTask& task,
                              const BatchView& batch) {
  const int dim = batch.head_dim;
#pragma unroll
  for (int pair = 0; pair < kRowPairs; ++pair) {
    if (few.rows[pair] < 0) break;
    const PairTarget to(out, task, batch, blockIdx.y, pair);
    const float factor = to.partial ? 1 : 1 / few.weights[pair];
#pragma unroll
    for (int part = 0; part < kOutputs; ++part) {
      const int d = static_cast<int>(threadIdx.x) + part * kFewThreads;
      if (d < dim) to.set(d, sums[pair][part] * factor);
    }
    if (to.partial && threadIdx.x == 0) {
      to.set(dim, few.largest[pair]);
      to.set(dim + 1, few.weights[pair]);
    }
  }
}

template <KvType type>
__global__ void __launch_bounds__(kFewThreads)
    attention_rows_kernel(Result out, const float* qkv, BatchView batch,
                          const AttentionTask* tasks) {
  extern __shared__ __align__(16) unsigned char memory[];
  FewRows& few = *reinterpret_cast<FewRows*>(memory);
  const int dim = batch.head_dim, kv_head = blockIdx.y;
  const AttentionTask task = tasks[blockIdx.x];
  if (task.pair_begin == task.pair_end) return;
  const KvPlanes& planes = batch.planes;
  const size_t head = kv_head * planes.head_bytes, head_scale = kv_head * planes.head_scale_bytes;
  const Reach reach(task, batch, batch.heads / batch.kv_heads);

  begin_rows(few, batch, task.pair_begin, task.pair_end, [](int row) { return row; });
  __syncthreads();
  float sums[kRowPairs][kOutputs] = {};
  int shift = -1;
  for (int index = next_tile(batch, reach, task.tile_begin, task.tile_end); index < task.tile_end;
       index = next_tile(batch, reach, index + 1, task.tile_end)) {
    const KvTile tile = batch.tiles[index];
    describe_tile(few.columns, batch, tile);
    if (tile.shift != shift) rotate_queries(few, qkv, batch, task.pair_begin, kv_head, tile.shift);
    shift = tile.shift;
    __syncthreads();
    load_tile<type>(few.tile(dim), few.columns, batch, planes.key + head,
                    planes.key_scale + head_scale);
    __syncthreads();
    score(few, dim, batch.window);
    __syncthreads();
    weigh(few);
    load_tile<type>(few.tile(dim), few.columns, batch, planes.value + head,
                    planes.value_scale + head_scale);
    __syncthreads();
    add_values(sums, few, dim);
    __syncthreads();
  }
  write_results(out, sums, few, task, batch);
}

template <KvType type>
cudaError_t launch(Result out, const float* qkv, const BatchView& batch, const AttentionTask* tasks,
                   int64_t count, cudaStream_t stream) {
  const int bytes = few_rows_bytes(batch.head_dim);
  const cudaError_t status = cudaFuncSetAttribute(
      attention_rows_kernel<type>, cudaFuncAttributeMaxDynamicSharedMemorySize,
      few_rows_bytes(kMaxHeadDim));  // the same for all callers: it holds for the process
  if (status != cudaSuccess) return status;
  const auto [x, y, z] = task_grid(count, batch.kv_heads);
  attention_rows_kernel<type>
      <<<dim3(x, y, z), kFewThreads, bytes, stream>>>(out, qkv, batch, tasks);
  return cudaGetLastError();
}

}  // namespace

cudaError_t attention_rows(Result out, const float* qkv, const BatchView& batch,
                           const AttentionTask* tasks, int64_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  switch (batch.planes.type) {
    case KvType::f32:
      return launch<KvType::f32>(out, qkv, batch, tasks, count, stream);
    case KvType::f16:
      return launch<KvType::f16>(out, qkv, batch, tasks, count, stream);
    case KvType::bf16:
      return launch<KvType::bf16>(out, qkv, batch, tasks, count, stream);
    case KvType::q8:
      break;
  }
  return launch<KvType::q8>(out, qkv, batch, tasks, count, stream);
}

}  // namespace kvs::cuda
