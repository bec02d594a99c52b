#pragma once

#include <cstdint>

#include "kernels/cpu/kv_planes.h"

// Rotary position embedding with half-split pairing. Source: Su et al. 2021 (RoFormer), 3.4.2.
namespace kvs::cpu {
namespace {

/// Cosines and sines of one row, in f32.
struct Rotation {
  float cosine[kMaxHeadDim / 2];
  float sine[kMaxHeadDim / 2];
};

/// Of a - b, both given as [2 * half] cosines, then sines; null b: of a. In double, so that the
/// result is exact to the rounding to f32.
inline void rotate_by_difference(const double* a, const double* b, int half, Rotation& out) {
  if (!b) {
    for (int i = 0; i < half; ++i) {
      out.cosine[i] = static_cast<float>(a[i]);
      out.sine[i] = static_cast<float>(a[half + i]);
    }
    return;
  }
#pragma omp simd
  for (int i = 0; i < half; ++i) {
    out.cosine[i] = static_cast<float>(a[i] * b[i] + a[half + i] * b[half + i]);
    out.sine[i] = static_cast<float>(a[half + i] * b[i] - a[i] * b[half + i]);
  }
}

/// out = scale * rotated x. x, out: [2 * half], apart.
inline void rotate(const float* x, const Rotation& rotation, int half, float scale, float* out) {
#pragma omp simd
  for (int i = 0; i < half; ++i) {
    const float low = x[i], high = x[half + i];
    out[i] = scale * (low * rotation.cosine[i] - high * rotation.sine[i]);
    out[half + i] = scale * (low * rotation.sine[i] + high * rotation.cosine[i]);
  }
}

}  // namespace
}  // namespace kvs::cpu
