#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/cuda/batch.h"
#include "kernels/cuda/launch_grid.h"
#include "kernels/cuda/reduce.cuh"

// A key or value in the registers of a warp, whose lanes are threadIdx.x, and how it is stored.
namespace kvs::cuda {

inline constexpr int kMostPairs = kMaxHeadDim / 2 / kWarp;  ///< pairs of elements of one lane

/// The pairs (i, i + D / 2) of a vector. A lane holds i = lane, lane + 32…
struct Vector {
  float2 pairs[kMostPairs];
};

/// load(i): pair i.
template <typename Load>
__device__ inline Vector make_vector(int half, Load load) {
  Vector v;
#pragma unroll
  for (int part = 0; part < kMostPairs; ++part) {
    const int i = threadIdx.x + part * kWarp;
    v.pairs[part] = i < half ? load(i) : float2{0, 0};
  }
  return v;
}

__device__ inline void store_element(std::byte* row, KvType type, int element, float x) {
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

/// Writes the scale of a q8 row and returns what its elements are multiplied by.
__device__ inline float write_scale(const Vector& v, std::byte* scale) {
  float largest = 0;  // NaN counts as nothing
#pragma unroll
  for (const float2 pair : v.pairs) largest = fmaxf(largest, fmaxf(fabsf(pair.x), fabsf(pair.y)));
  largest = warp_max(largest);
  const float unit = largest / 127;
  if (threadIdx.x == 0) *reinterpret_cast<float*>(scale) = unit;
  // Below the smallest normal unit the inverse may overflow; such a row is as good as zero.
  return unit >= __FLT_MIN__ ? 127 / largest : 0;
}

/// scale: of q8 only.
__device__ inline void store_vector(const Vector& v, KvType type, int half, std::byte* row,
                                    std::byte* scale) {
  const float factor = type == KvType::q8 ? write_scale(v, scale) : 1;
#pragma unroll
  for (int part = 0; part < kMostPairs; ++part) {
    const int i = threadIdx.x + part * kWarp;
    if (i >= half) continue;
    store_element(row, type, i, v.pairs[part].x * factor);
    store_element(row, type, i + half, v.pairs[part].y * factor);
  }
}

/// One of the vectors that a token has in a block: `index` counts all layers' keys and values.
struct VectorPlace {
  size_t row, scale;  ///< bytes from the block to those of slot 0
  int layer, head;
  bool is_key;
};
__device__ inline VectorPlace vector_place(const KvBlocks& blocks, int index) {
  const KvPlanes& planes = blocks.planes;
  const int layer = index / (2 * blocks.kv_heads), vector = index % (2 * blocks.kv_heads);
  const bool is_key = vector < blocks.kv_heads;
  const int head = is_key ? vector : vector - blocks.kv_heads;
  const size_t start = layer * blocks.layer_bytes;
  return {start + (is_key ? planes.key : planes.value) + head * planes.head_bytes,
          start + (is_key ? planes.key_scale : planes.value_scale) + head * planes.head_scale_bytes,
          layer, head, is_key};
}

/// Copies a row by the lanes of a warp, and its scale in q8.
__device__ inline void copy_vector(const KvPlanes& planes, std::byte* to, const std::byte* from,
                                   std::byte* to_scale, const std::byte* from_scale) {
  using Word = uint64_t;  // head_dim is a multiple of eight, also where an element is a byte
  for (size_t i = threadIdx.x; i < planes.row_bytes / sizeof(Word); i += kWarp)
    reinterpret_cast<Word*>(to)[i] = reinterpret_cast<const Word*>(from)[i];
  if (planes.type == KvType::q8 && threadIdx.x == 0)
    *reinterpret_cast<float*>(to_scale) = *reinterpret_cast<const float*>(from_scale);
}

}  // namespace kvs::cuda
