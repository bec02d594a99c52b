#pragma once

namespace kvs::cuda {

inline constexpr int kWarp = 32;

/// Sum over the warp, in every lane.
__device__ inline float warp_sum(float value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(~0U, value, step);
  return value;
}

/// Maximum over the warp, in every lane.
__device__ inline float warp_max(float value) {
  for (int step = kWarp / 2; step > 0; step /= 2)
    value = fmaxf(value, __shfl_xor_sync(~0U, value, step));
  return value;
}

/// Sum over a block of whole warps, in every thread. Holds two barriers.
__device__ inline float block_sum(float value) {
  __shared__ float partial[kWarp];
  const int lane = threadIdx.x % kWarp;
  const int warp = threadIdx.x / kWarp;

  value = warp_sum(value);
  if (lane == 0) partial[warp] = value;
  __syncthreads();
  value = warp_sum(lane < static_cast<int>(blockDim.x) / kWarp ? partial[lane] : 0.0F);
  __syncthreads();  // partial may be used again by the next call
  return value;
}

}  // namespace kvs::cuda
