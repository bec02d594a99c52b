#include <climits>

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/kv_tile.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rotation.cuh"

// Many rows, by tensor cores: 64 pairs a block, 16 a warp, over tiles of 64 keys. While one tile's
// scores are weighed the next one's keys are on their way, and its values while they are scored.
// Online softmax: Milakov & Gimelshein 2018; tiling: Dao et al. 2022 (FlashAttention).
namespace kvs::cuda {
namespace {

constexpr int kBlock = 128;
constexpr int kWarpPairs = 16;
constexpr int kKeyBlocks = kTileKeys / 8;  // of 8 keys, the width of one product

/// Shared memory. Rows are padded by 16 bytes, so that eight of them meet every bank.
template <typename Half, int dim>
struct Shared {
  static constexpr int kStride = dim + 8;
  Half queries[kTilePairs][kStride];
  Half keys[kTileKeys][kStride];
  Half values[kTileKeys][kStride];
  TileColumns columns[2];
};

/// What one warp keeps of its 16 pairs: each thread holds parts of the rows lane / 4 and + 8.
template <int dim>
struct WarpState {
  uint32_t queries[dim / 16][4];
  float sums[dim / 8][4] = {};
  float largest[2] = {-INFINITY, -INFINITY};
  float weights[2] = {};
  int32_t positions[2];
};

/// 16 values of one byte, scaled and rounded.
template <typename Half>
__device__ void store_scaled(Half* to, const int4& bytes, float scale) {
  const auto* from = reinterpret_cast<const int8_t*>(&bytes);
  uint32_t pairs[8];
#pragma unroll
  for (int i = 0; i < 8; ++i)
    pairs[i] = packed(from[2 * i] * scale, from[2 * i + 1] * scale, Half());
  auto* rows = reinterpret_cast<uint4*>(to);
  rows[0] = {pairs[0], pairs[1], pairs[2], pairs[3]};
  rows[1] = {pairs[4], pairs[5], pairs[6], pairs[7]};
}

/// Brings the tile's keys or values; columns without a key become 0, since 0 x NaN is not 0.
template <typename Half, int dim, bool q8>
__device__ void begin_tile(Half (*rows)[dim + 8], const TileColumns& columns,
                           const BatchView& batch, size_t plane, size_t scales) {
  constexpr int kParts = (q8 ? dim : 2 * dim) / 16;  // of 16 bytes
  for (int i = threadIdx.x; i < kTileKeys * kParts; i += kBlock) {
    const int column = i / kParts, part = i % kParts;
    const std::byte* block = columns.block[column];
    const size_t slot = block ? columns.slot[column] : 0;
    const std::byte* from = block + plane + slot * batch.planes.row_bytes + part * 16;
    if constexpr (q8) {
      int4 bytes{0, 0, 0, 0};
      float scale = 0;
      if (block) {
        bytes = *reinterpret_cast<const int4*>(from);
        scale = *reinterpret_cast<const float*>(block + scales + slot * sizeof(float));
      }
      store_scaled(&rows[column][part * 16], bytes, scale);
    } else {
      begin_copy(&rows[column][part * 8], block ? from : nullptr, batch.positions);
    }
  }
  end_copies();
}

/// The queries of the task's pairs, rotated for their position less the shift, times scale *
/// log2(e).
template <typename Half, int dim>
__device__ void rotate_queries(Half (*queries)[dim + 8], const float* qkv,
                               const AttentionTask& task, const BatchView& batch, int shift) {
  constexpr int kHalf = dim / 2;
  const int group = batch.heads / batch.kv_heads;
  const float factor = batch.scale * 1.44269504088896341F;
  const auto* rows = reinterpret_cast<const Angle*>(batch.row_angles);
  const auto* shifts = reinterpret_cast<const Angle*>(batch.shift_angles) + int64_t{shift} * kHalf;
  for (int i = threadIdx.x; i < kTilePairs * kHalf; i += kBlock) {
    const int pair = i / kHalf, d = i % kHalf;
    float2 turned{0, 0};
    if (task.pair_begin + pair < task.pair_end) {
      const int row = (task.pair_begin + pair) / group, head = (task.pair_begin + pair) % group;
      const float* x = qkv + (int64_t{row} * (batch.heads + 2 * batch.kv_heads) +
                              static_cast<int>(blockIdx.y) * group + head) *
                                 dim;
      const Angle angle = difference(rows[int64_t{row} * kHalf + d], shifts[d]);
      turned = rotated(x[d], x[d + kHalf], angle);
    }
    queries[pair][d] = static_cast<Half>(turned.x * factor);
    queries[pair][d + kHalf] = static_cast<Half>(turned.y * factor);
  }
}

/// This warp's queries as operands of products.
template <typename Half, int dim>
__device__ void keep_queries(WarpState<dim>& state, const Half (*queries)[dim + 8]) {
  const int lane = threadIdx.x % kWarp, row = threadIdx.x / kWarp * kWarpPairs + lane % 16;
#pragma unroll
  for (int step = 0; step < dim / 16; ++step)
    load_matrices(state.queries[step], &queries[row][step * 16 + lane / 16 * 8]);
}

/// scores = queries keys^T. [16, 64]
template <typename Half, int dim>
__device__ void score(float (&scores)[kKeyBlocks][4], const WarpState<dim>& state,
                      const Half (*keys)[dim + 8]) {
  const int lane = threadIdx.x % kWarp, key = lane / 16 * 8 + lane % 8, side = lane / 8 % 2 * 8;
#pragma unroll
  for (int step = 0; step < dim / 16; ++step) {
#pragma unroll
    for (int block = 0; block < kKeyBlocks; block += 2) {
      uint32_t b[4];
      load_matrices(b, &keys[block * 8 + key][step * 16 + side]);
      multiply(scores[block], state.queries[step], b[0], b[1], Half());
      multiply(scores[block + 1], state.queries[step], b[2], b[3], Half());
    }
  }
}

/// Scores become weights relative to the largest so far; earlier sums fade accordingly.
template <int dim>
__device__ void weigh(float (&scores)[kKeyBlocks][4], WarpState<dim>& state,
                      const TileColumns& columns, int window) {
  const int first = threadIdx.x % 4 * 2;
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    float largest = state.largest[row];
#pragma unroll
    for (int i = 0; i < 2 * kKeyBlocks; ++i) {
      float& score = scores[i / 2][2 * row + i % 2];
      if (!sees(state.positions[row], columns.position[i / 2 * 8 + first + i % 2], window))
        score = -INFINITY;
      largest = fmaxf(largest, score);
    }
    largest = fmaxf(largest, __shfl_xor_sync(~0U, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(~0U, largest, 2));
    const float base = largest == -INFINITY ? 0 : largest;  // nothing seen yet
    const float fade = exp2f(state.largest[row] - base);
    state.largest[row] = largest;
    state.weights[row] *= fade;
#pragma unroll
    for (int i = 0; i < 2 * kKeyBlocks; ++i) {
      float& score = scores[i / 2][2 * row + i % 2];
      score = exp2f(score - base);
      state.weights[row] += score;
    }
#pragma unroll
    for (int block = 0; block < dim / 8; ++block) {
      state.sums[block][2 * row] *= fade;
      state.sums[block][2 * row + 1] *= fade;
    }
  }
}

/// sums += weights values.
template <typename Half, int dim>
__device__ void add_values(WarpState<dim>& state, const float (&weights)[kKeyBlocks][4],
                           const Half (*values)[dim + 8]) {
  const int lane = threadIdx.x % kWarp, key = lane % 16, side = lane / 16 * 8;
#pragma unroll
  for (int step = 0; step < kTileKeys / 16; ++step) {
    const float(&low)[4] = weights[2 * step], (&high)[4] = weights[2 * step + 1];
    const uint32_t a[4] = {packed(low[0], low[1], Half()), packed(low[2], low[3], Half()),
                           packed(high[0], high[1], Half()), packed(high[2], high[3], Half())};
#pragma unroll
    for (int block = 0; block < dim / 8; block += 2) {
      uint32_t b[4];
      load_transposed(b, &values[step * 16 + key][block * 8 + side]);
      multiply(state.sums[block], a, b[0], b[1], Half());
      multiply(state.sums[block + 1], a, b[2], b[3], Half());
    }
  }
}

template <int dim>
__device__ void write_results(Result out, const WarpState<dim>& state, const AttentionTask& task,
                              const BatchView& batch) {
  const int lane = threadIdx.x % kWarp;
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    float weights = state.weights[row];
    weights += __shfl_xor_sync(~0U, weights, 1);
    weights += __shfl_xor_sync(~0U, weights, 2);
    const int pair = static_cast<int>(threadIdx.x) / kWarp * kWarpPairs + lane / 4 + row * 8;
    if (pair >= task.pair_end - task.pair_begin) continue;
    const PairTarget to(out, task, batch, blockIdx.y, pair);
    const float factor = to.partial ? 1 : 1 / weights;
#pragma unroll
    for (int block = 0; block < dim / 8; ++block) {
      to.set(block * 8 + lane % 4 * 2, state.sums[block][2 * row] * factor);
      to.set(block * 8 + lane % 4 * 2 + 1, state.sums[block][2 * row + 1] * factor);
    }
    if (to.partial && lane % 4 == 0) {
      to.set(dim, state.largest[row]);
      to.set(dim + 1, weights);
    }
  }
}

/// Rows of the two pairs that this thread holds; -1 where there is none, which sees nothing.
template <int dim>
__device__ void find_positions(WarpState<dim>& state, const AttentionTask& task,
                               const BatchView& batch) {
  const int first = static_cast<int>(threadIdx.x) / kWarp * kWarpPairs + threadIdx.x % kWarp / 4;
  for (int row = 0; row < 2; ++row) {
    const int pair = task.pair_begin + first + row * 8;
    state.positions[row] =
        pair < task.pair_end ? batch.positions[pair / (batch.heads / batch.kv_heads)] : -1;
  }
}

template <typename Half, int dim, bool q8>
__global__ void __launch_bounds__(kBlock)
    attention_tiles_kernel(Result out, const float* qkv, BatchView batch,
                           const AttentionTask* tasks) {
  extern __shared__ __align__(16) unsigned char memory[];
  auto& shared = *reinterpret_cast<Shared<Half, dim>*>(memory);
  const AttentionTask task = tasks[blockIdx.x];
  if (task.pair_begin == task.pair_end) return;
  const KvPlanes& planes = batch.planes;
  const size_t head = blockIdx.y * planes.head_bytes;
  const size_t head_scale = blockIdx.y * planes.head_scale_bytes;
  const auto begin_keys = [&](const TileColumns& columns) {
    begin_tile<Half, dim, q8>(shared.keys, columns, batch, planes.key + head,
                              planes.key_scale + head_scale);
  };
  const auto begin_values = [&](const TileColumns& columns) {
    begin_tile<Half, dim, q8>(shared.values, columns, batch, planes.value + head,
                              planes.value_scale + head_scale);
  };
  const Reach reach(task, batch, batch.heads / batch.kv_heads);
  WarpState<dim> state;
  find_positions(state, task, batch);

  int index = next_tile(batch, reach, task.tile_begin, task.tile_end);
  if (index < task.tile_end) {
    describe_tile(shared.columns[0], batch, batch.tiles[index]);
    __syncthreads();
    begin_keys(shared.columns[0]);
    begin_values(shared.columns[0]);
  }
  for (int turn = 0, shift = -1; index < task.tile_end; turn ^= 1) {
    const KvTile tile = batch.tiles[index];
    const int next = next_tile(batch, reach, index + 1, task.tile_end);
    if (next < task.tile_end) describe_tile(shared.columns[turn ^ 1], batch, batch.tiles[next]);
    const bool turned = tile.shift != shift;
    if (turned) rotate_queries<Half, dim>(shared.queries, qkv, task, batch, tile.shift);
    shift = tile.shift;
    wait_for_all_but_last();  // the keys are here
    __syncthreads();
    if (turned) keep_queries<Half, dim>(state, shared.queries);
    float scores[kKeyBlocks][4] = {};
    score<Half, dim>(scores, state, shared.keys);
    __syncthreads();
    if (next < task.tile_end)
      begin_keys(shared.columns[turn ^ 1]);
    else
      end_copies();
    weigh(scores, state, shared.columns[turn], batch.window);
    wait_for_all_but_last();  // the values are here
    __syncthreads();
    add_values<Half, dim>(state, scores, shared.values);
    __syncthreads();
    if (next < task.tile_end)
      begin_values(shared.columns[turn ^ 1]);
    else
      end_copies();
    index = next;
  }
  write_results(out, state, task, batch);
}

template <typename Half, int dim, bool q8>
cudaError_t launch(Result out, const float* qkv, const BatchView& batch, const AttentionTask* tasks,
                   int64_t count, cudaStream_t stream) {
  constexpr int kBytes = sizeof(Shared<Half, dim>);
  const auto kernel = attention_tiles_kernel<Half, dim, q8>;
  const cudaError_t status =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  if (status != cudaSuccess) return status;
  const dim3 grid(static_cast<unsigned>(count), batch.kv_heads);
  kernel<<<grid, kBlock, kBytes, stream>>>(out, qkv, batch, tasks);
  return cudaGetLastError();
}

template <typename Half, bool q8>
cudaError_t launch_for(Result out, const float* qkv, const BatchView& batch,
                       const AttentionTask* tasks, int64_t count, cudaStream_t stream) {
  switch (batch.head_dim) {
    case 64:
      return launch<Half, 64, q8>(out, qkv, batch, tasks, count, stream);
    case 80:
      return launch<Half, 80, q8>(out, qkv, batch, tasks, count, stream);
    case 96:
      return launch<Half, 96, q8>(out, qkv, batch, tasks, count, stream);
    case 128:
      return launch<Half, 128, q8>(out, qkv, batch, tasks, count, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace

cudaError_t attention_tiles(Result out, const float* qkv, const BatchView& batch,
                            const AttentionTask* tasks, int64_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  switch (batch.planes.type) {
    case KvType::f16:
      return launch_for<__half, false>(out, qkv, batch, tasks, count, stream);
    case KvType::bf16:
      return launch_for<__nv_bfloat16, false>(out, qkv, batch, tasks, count, stream);
    case KvType::q8:
      return launch_for<__half, true>(out, qkv, batch, tasks, count, stream);
    case KvType::f32:
      break;
  }
  return cudaErrorInvalidValue;
}

}  // namespace kvs::cuda
