#pragma once

#include <cuda_bf16.h>

#include "kernels/cuda/batch.h"

namespace kvs::cuda {

/// Every thread of a launch takes the same branch.
__device__ inline void store(const Result& out, int64_t index, float value) {
  if (out.bf16)
    static_cast<__nv_bfloat16*>(out.data)[index] = __float2bfloat16_rn(value);
  else
    static_cast<float*>(out.data)[index] = value;
}

}  // namespace kvs::cuda
