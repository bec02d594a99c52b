#pragma once

// Rotary position embedding with half-split pairing. Source: Su et al. 2021 (RoFormer), 3.4.2.
namespace kvs::cuda {

/// Cosine and sine.
using Angle = float2;

/// The angle a - b.
__device__ inline Angle difference(Angle a, Angle b) {
  return {a.x * b.x + a.y * b.y, a.y * b.x - a.x * b.y};
}

/// The elements i and i + D / 2 of a rotated vector, from those of the vector.
__device__ inline float2 rotated(float low, float high, Angle angle) {
  return {low * angle.x - high * angle.y, low * angle.y + high * angle.x};
}

}  // namespace kvs::cuda
