#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/cuda/batch.h"

namespace kvs::cuda {

/// Element `i` of a cached row, without its scale.
template <KvType type>
__device__ inline float element(const std::byte* row, int i) {
  if constexpr (type == KvType::f32) return reinterpret_cast<const float*>(row)[i];
  if constexpr (type == KvType::f16) return __half2float(reinterpret_cast<const __half*>(row)[i]);
  if constexpr (type == KvType::bf16)
    return __bfloat162float(reinterpret_cast<const __nv_bfloat16*>(row)[i]);
  if constexpr (type == KvType::q8) return reinterpret_cast<const int8_t*>(row)[i];
}

/// The same, of a head's row in a block, with its scale. plane, scales: from the block to the head.
/// Rounded as such: fused with what is subtracted from it, a row would differ from itself.
template <KvType type>
__device__ inline float cached_element(const std::byte* block, size_t plane, size_t scales,
                                       const KvPlanes& planes, size_t slot, int i) {
  const float x = element<type>(block + plane + slot * planes.row_bytes, i);
  if constexpr (type != KvType::q8) return x;
  return __fmul_rn(x, *reinterpret_cast<const float*>(block + scales + slot * sizeof(float)));
}

}  // namespace kvs::cuda
