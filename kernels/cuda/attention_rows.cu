#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <climits>

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/kv_tile.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rotation.cuh"

// Few rows, any type and head_dim: bound by reading the cache once for up to eight pairs. Keys,
// then values of a tile are widened to f32 in shared memory; scores are one thread's sum over
// head_dim.
namespace kvs::cuda {
namespace {

constexpr int kBlock = 128;
constexpr int kOutputs = kMaxHeadDim / kBlock;           // elements of head_dim of one thread
constexpr int kScores = kRowPairs * kTileKeys / kBlock;  // pairs of one thread's key

/// Shared memory; rows of the tile are padded by one so that a column of them meets every bank.
struct Shared {
  TileColumns columns;
  float scores[kRowPairs][kTileKeys];
  float largest[kRowPairs], weights[kRowPairs], fade[kRowPairs];
  int32_t positions[kRowPairs];
};

__device__ float* queries_of(Shared* shared) {
  return reinterpret_cast<float*>(shared + 1);  // [kRowPairs, D], then the tile [64, D + 1]
}

size_t shared_bytes(int head_dim) {
  return sizeof(Shared) + (size_t{kRowPairs} * head_dim + size_t{kTileKeys} * (head_dim + 1)) * 4;
}

template <KvType type>
__device__ float element(const std::byte* row, int i) {
  if constexpr (type == KvType::f32) return reinterpret_cast<const float*>(row)[i];
  if constexpr (type == KvType::f16) return __half2float(reinterpret_cast<const __half*>(row)[i]);
  if constexpr (type == KvType::bf16)
    return __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(row)[i]);
  if constexpr (type == KvType::q8) return reinterpret_cast<const int8_t*>(row)[i];
}

// Widens the tile's keys or values; columns without a key become 0.
template <KvType type>
__device__ void load_tile(float* tile, const TileColumns& columns, const BatchView& batch,
                          size_t plane, size_t scales) {
  const int dim = batch.head_dim;
  for (int i = threadIdx.x; i < kTileKeys * dim; i += kBlock) {
    const int column = i / dim, d = i - column * dim;
    const std::byte* block = columns.block[column];
    float x = 0;
    if (block) {
      const size_t slot = columns.slot[column];
      x = element<type>(block + plane + slot * batch.planes.row_bytes, d);
      if constexpr (type == KvType::q8)
        x *= *reinterpret_cast<const float*>(block + scales + slot * sizeof(float));
    }
    tile[column * (dim + 1) + d] = x;
  }
}

// The queries of the task's pairs, rotated for their position less the shift, times scale *
// log2(e).
__device__ void rotate_queries(float* queries, const float* qkv, const AttentionTask& task,
                               const BatchView& batch, int kv_head, int shift) {
  const int dim = batch.head_dim, half = dim / 2, group = batch.heads / batch.kv_heads;
  const float factor = batch.scale * 1.44269504088896341F;
  const auto* shifts = reinterpret_cast<const Angle*>(batch.shift_angles) + int64_t{shift} * half;
  for (int i = threadIdx.x; i < kRowPairs * half; i += kBlock) {
    const int pair = i / half, d = i - pair * half;
    float2 turned{0, 0};
    if (task.pair_begin + pair < task.pair_end) {
      const int row = (task.pair_begin + pair) / group, head = (task.pair_begin + pair) % group;
      const float* x =
          qkv + (int64_t{row} * (batch.heads + 2 * batch.kv_heads) + kv_head * group + head) * dim;
      const Angle angle = reinterpret_cast<const Angle*>(batch.row_angles)[int64_t{row} * half + d];
      turned = rotated(x[d], x[d + half], difference(angle, shifts[d]));
    }
    queries[pair * dim + d] = turned.x * factor;
    queries[pair * dim + d + half] = turned.y * factor;
  }
}

// A thread adds up the scores of one key with half of the pairs.
__device__ void score(Shared& shared, const float* queries, const float* tile, int dim,
                      int window) {
  const int column = threadIdx.x % kTileKeys, first = threadIdx.x / kTileKeys * kScores;
  float sums[kScores] = {};
  for (int d = 0; d < dim; ++d) {
    const float key = tile[column * (dim + 1) + d];
#pragma unroll
    for (int i = 0; i < kScores; ++i) sums[i] += queries[(first + i) * dim + d] * key;
  }
  const int32_t position = shared.columns.position[column];
#pragma unroll
  for (int i = 0; i < kScores; ++i) {
    const bool seen = sees(shared.positions[first + i], position, window);
    shared.scores[first + i][column] = seen ? sums[i] : -INFINITY;
  }
}

// Scores become weights relative to the largest score so far; a warp takes a quarter of the pairs.
__device__ void weigh(Shared& shared) {
  const int lane = threadIdx.x % kWarp;
  for (int pair = threadIdx.x / kWarp; pair < kRowPairs; pair += kBlock / kWarp) {
    const float a = shared.scores[pair][lane], b = shared.scores[pair][lane + kWarp];
    const float before = shared.largest[pair];
    const float largest = fmaxf(before, warp_max(fmaxf(a, b)));
    const float base = largest == -INFINITY ? 0 : largest;  // nothing seen yet
    const float weight_a = exp2f(a - base), weight_b = exp2f(b - base);
    const float sum = warp_sum(weight_a + weight_b);
    shared.scores[pair][lane] = weight_a;
    shared.scores[pair][lane + kWarp] = weight_b;
    __syncwarp();  // every lane has read `before`
    if (lane == 0) {
      const float fade = exp2f(before - base);
      shared.fade[pair] = fade;
      shared.largest[pair] = largest;
      shared.weights[pair] = shared.weights[pair] * fade + sum;
    }
  }
}

__device__ void add_values(float (&sums)[kRowPairs][kOutputs], const Shared& shared,
                           const float* tile, int dim) {
#pragma unroll
  for (int part = 0; part < kOutputs; ++part) {
    const int d = threadIdx.x + part * kBlock;
    if (d >= dim) continue;
#pragma unroll
    for (int pair = 0; pair < kRowPairs; ++pair) sums[pair][part] *= shared.fade[pair];
    for (int column = 0; column < kTileKeys; ++column) {
      const float value = tile[column * (dim + 1) + d];
#pragma unroll
      for (int pair = 0; pair < kRowPairs; ++pair)
        sums[pair][part] += shared.scores[pair][column] * value;
    }
  }
}

__device__ void write_results(float* out, const float (&sums)[kRowPairs][kOutputs],
                              const Shared& shared, const AttentionTask& task,
                              const BatchView& batch) {
  const int dim = batch.head_dim, pairs = task.pair_end - task.pair_begin;
#pragma unroll
  for (int pair = 0; pair < kRowPairs; ++pair) {
    if (pair >= pairs) break;
    const PairTarget to(out, task, batch, blockIdx.y, pair);
    const float factor = to.partial ? 1 : 1 / shared.weights[pair];
#pragma unroll
    for (int part = 0; part < kOutputs; ++part) {
      const int d = threadIdx.x + part * kBlock;
      if (d < dim) to.out[d] = sums[pair][part] * factor;
    }
    if (to.partial && threadIdx.x == 0) {
      to.out[dim] = shared.largest[pair];
      to.out[dim + 1] = shared.weights[pair];
    }
  }
}

template <KvType type>
__global__ void __launch_bounds__(kBlock)
    attention_rows_kernel(float* out, const float* qkv, BatchView batch,
                          const AttentionTask* tasks) {
  extern __shared__ __align__(16) unsigned char memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  float* queries = queries_of(&shared);
  const int dim = batch.head_dim, kv_head = blockIdx.y, group = batch.heads / batch.kv_heads;
  float* tile_rows = queries + kRowPairs * dim;
  const AttentionTask task = tasks[blockIdx.x];
  const KvPlanes& planes = batch.planes;
  const size_t head = kv_head * planes.head_bytes, head_scale = kv_head * planes.head_scale_bytes;
  const Reach reach(task, batch, group);

  if (threadIdx.x < kRowPairs) {
    const int pair = task.pair_begin + static_cast<int>(threadIdx.x);
    shared.largest[threadIdx.x] = -INFINITY;
    shared.weights[threadIdx.x] = 0;
    shared.positions[threadIdx.x] = pair < task.pair_end ? batch.positions[pair / group] : -1;
  }
  float sums[kRowPairs][kOutputs] = {};
  int shift = -1;
  for (int index = next_tile(batch, reach, task.tile_begin, task.tile_end); index < task.tile_end;
       index = next_tile(batch, reach, index + 1, task.tile_end)) {
    const KvTile tile = batch.tiles[index];
    describe_tile(shared.columns, batch, tile);
    if (tile.shift != shift) rotate_queries(queries, qkv, task, batch, kv_head, tile.shift);
    shift = tile.shift;
    __syncthreads();
    load_tile<type>(tile_rows, shared.columns, batch, planes.key + head,
                    planes.key_scale + head_scale);
    __syncthreads();
    score(shared, queries, tile_rows, dim, batch.window);
    __syncthreads();
    weigh(shared);
    load_tile<type>(tile_rows, shared.columns, batch, planes.value + head,
                    planes.value_scale + head_scale);
    __syncthreads();
    add_values(sums, shared, tile_rows, dim);
    __syncthreads();
  }
  __syncthreads();  // a task without visible tiles reads what it set up
  write_results(out, sums, shared, task, batch);
}

template <KvType type>
cudaError_t launch(float* out, const float* qkv, const BatchView& batch, const AttentionTask* tasks,
                   int64_t count, cudaStream_t stream) {
  const auto bytes = static_cast<int>(shared_bytes(batch.head_dim));
  const cudaError_t status = cudaFuncSetAttribute(
      attention_rows_kernel<type>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (status != cudaSuccess) return status;
  const dim3 grid(static_cast<unsigned>(count), batch.kv_heads);
  attention_rows_kernel<type><<<grid, kBlock, bytes, stream>>>(out, qkv, batch, tasks);
  return cudaGetLastError();
}

}  // namespace

cudaError_t attention_rows(float* out, const float* qkv, const BatchView& batch,
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
