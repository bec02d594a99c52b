#include "kernels/cuda/kernels.h"
#include "kernels/cuda/kv_element.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rotation.cuh"

namespace kvs::cuda {
namespace {

constexpr int kWarps = 4;

/// What one lane adds up of a head: its elements i and i + D / 2 for i = lane, lane + 32…
template <KvType type>
__device__ void add_head(float (&sums)[3], const KvRowPair& pair, const KvPlanes& planes,
                         const Angle* turn, int head, int half) {
  const size_t rows = head * planes.head_bytes, scales = head * planes.head_scale_bytes;
  const auto key = [&](const std::byte* block, int row, int i) {
    return cached_element<type>(block, planes.key + rows, planes.key_scale + scales, planes, row,
                                i);
  };
  const auto value = [&](const std::byte* block, int row, int i) {
    return cached_element<type>(block, planes.value + rows, planes.value_scale + scales, planes,
                                row, i);
  };
  for (int i = threadIdx.x; i < half; i += kWarp) {
    const float2 own =
        rotated(key(pair.block, pair.row, i), key(pair.block, pair.row, i + half), turn[i]);
    const float low = own.x - key(pair.kept_block, pair.kept_row, i);
    const float high = own.y - key(pair.kept_block, pair.kept_row, i + half);
    sums[0] += low * low + high * high;
    for (const int d : {i, i + half}) {
      const float change =
          value(pair.block, pair.row, d) - value(pair.kept_block, pair.kept_row, d);
      sums[1] += change * change;
      sums[2] += fabsf(change);
    }
  }
}

// A warp compares one pair of rows.
template <KvType type>
__global__ void kv_deviation_kernel(float* out, const KvRowPair* pairs, const float* turns,
                                    KvPlanes planes, int64_t count, int kv_heads, int half) {
  const int64_t index = int64_t{blockIdx.x} * kWarps + threadIdx.y;
  if (index >= count) return;
  const KvRowPair pair = pairs[index];
  const auto* turn = reinterpret_cast<const Angle*>(turns) + int64_t{pair.turn} * half;
  float sums[3] = {};
  for (int head = 0; head < kv_heads; ++head) add_head<type>(sums, pair, planes, turn, head, half);
  for (int i = 0; i < 3; ++i) {
    const float sum = warp_sum(sums[i]);
    if (threadIdx.x == 0) out[3 * index + i] = sum;
  }
}

}  // namespace

cudaError_t kv_deviation(float* out, const KvRowPair* pairs, const float* turns,
                         const KvPlanes& planes, int64_t count, int kv_heads, int head_dim,
                         cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  const dim3 block(kWarp, kWarps);
  const auto blocks = static_cast<unsigned>((count + kWarps - 1) / kWarps);
  const auto launch = [&](auto kernel) {
    kernel<<<blocks, block, 0, stream>>>(out, pairs, turns, planes, count, kv_heads, head_dim / 2);
    return cudaGetLastError();
  };
  switch (planes.type) {
    case KvType::f32:
      return launch(kv_deviation_kernel<KvType::f32>);
    case KvType::f16:
      return launch(kv_deviation_kernel<KvType::f16>);
    case KvType::bf16:
      return launch(kv_deviation_kernel<KvType::bf16>);
    case KvType::q8:
      break;
  }
  return launch(kv_deviation_kernel<KvType::q8>);
}

}  // namespace kvs::cuda
