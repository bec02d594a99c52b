#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/cuda/kernels.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rotation.cuh"

namespace kvs::cuda {
namespace {

constexpr int kMostPairs = kMaxHeadDim / 2 / kWarp;  // pairs of elements of one lane

__device__ void store(std::byte* row, KvType type, int element, float x) {
  switch (type) {
    case KvType::f32:
      reinterpret_cast<float*>(row)[element] = x;
      return;
    case KvType::f16:
      reinterpret_cast<__half*>(row)[element] = __float2half_rn(x);
      return;
    case KvType::bf16:
      reinterpret_cast<__nv_bfloat16*>(row)[element] = __float2bfloat16_rn(x);
      return;
    case KvType::q8:
      reinterpret_cast<int8_t*>(row)[element] = static_cast<int8_t>(__float2int_rn(x));
  }
}

// The pairs (i, i + half) of a vector, rotated where it is a key. A lane holds i = lane, lane + 32…
struct Vector {
  float2 pairs[kMostPairs];
};

__device__ Vector load(const float* x, const Angle* angles, bool is_key, int half) {
  Vector v;
#pragma unroll
  for (int part = 0; part < kMostPairs; ++part) {
    const int i = threadIdx.x % kWarp + part * kWarp;
    v.pairs[part] = {0, 0};
    if (i >= half) continue;
    v.pairs[part] = is_key ? rotated(x[i], x[i + half], angles[i]) : float2{x[i], x[i + half]};
  }
  return v;
}

// Writes the scale of a q8 row and returns what its elements are multiplied by.
__device__ float write_scale(const Vector& v, std::byte* scale) {
  float largest = 0;  // NaN counts as nothing
#pragma unroll
  for (const float2 pair : v.pairs) largest = fmaxf(largest, fmaxf(fabsf(pair.x), fabsf(pair.y)));
  largest = warp_max(largest);
  const float unit = largest / 127;
  if (threadIdx.x % kWarp == 0) *reinterpret_cast<float*>(scale) = unit;
  // Below the smallest normal unit the inverse may overflow; such a row is as good as zero.
  return unit >= __FLT_MIN__ ? 127 / largest : 0;
}

// A warp writes one key or value: grid [2 K / warps, T].
__global__ void write_kv_kernel(const float* qkv, BatchView batch) {
  const int vector = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const int64_t row = blockIdx.x;
  const KvPlace place = batch.places[row];
  if (vector >= 2 * batch.kv_heads || !place.block) return;

  const bool is_key = vector < batch.kv_heads;
  const size_t head = is_key ? vector : vector - batch.kv_heads;
  const int dim = batch.head_dim, half = dim / 2;
  const float* x = qkv + (row * (batch.heads + 2 * batch.kv_heads) + batch.heads + vector) * dim;
  const auto* angles = reinterpret_cast<const Angle*>(batch.row_angles) + row * half;
  const Vector v = load(x, angles, is_key, half);

  const KvPlanes& planes = batch.planes;
  std::byte* target = place.block + (is_key ? planes.key : planes.value) +
                      head * planes.head_bytes + place.slot * planes.row_bytes;
  float factor = 1;
  if (planes.type == KvType::q8)
    factor = write_scale(v, place.block + (is_key ? planes.key_scale : planes.value_scale) +
                                head * planes.head_scale_bytes + place.slot * sizeof(float));
#pragma unroll
  for (int part = 0; part < kMostPairs; ++part) {
    const int i = threadIdx.x + part * kWarp;
    if (i >= half) continue;
    store(target, planes.type, i, v.pairs[part].x * factor);
    store(target, planes.type, i + half, v.pairs[part].y * factor);
  }
}

}  // namespace

cudaError_t write_kv(const float* qkv, const BatchView& batch, cudaStream_t stream) {
  if (batch.rows == 0) return cudaSuccess;
  constexpr unsigned kWarps = 4;
  const dim3 grid(static_cast<unsigned>(batch.rows), (2 * batch.kv_heads + kWarps - 1) / kWarps);
  write_kv_kernel<<<grid, dim3(kWarp, kWarps), 0, stream>>>(qkv, batch);
  return cudaGetLastError();
}

}  // namespace kvs::cuda
