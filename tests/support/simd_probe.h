#pragma once

#include <cstdint>

#include "kernels/cpu/levels.h"

namespace kvs::cpu {

/// The vector functions of one level over arrays, so that a test can call them on a machine that
/// has the level and skip them on one that lacks it. Every `count` may be any number.
struct SimdProbe {
  int width;
  void (*exp)(float* out, const float* x, int64_t count);
  void (*round)(float* out, const float* x, int64_t count);
  void (*to_f16)(uint16_t* out, const float* x, int64_t count);  ///< a multiple of the width
  void (*from_f16)(float* out, const uint16_t* x, int64_t count);
  void (*to_bf16)(uint16_t* out, const float* x, int64_t count);
  void (*from_bf16)(float* out, const uint16_t* x, int64_t count);
  void (*to_i8)(int8_t* out, const float* x, int64_t count);
  void (*from_i8)(float* out, const int8_t* x, int64_t count);
  float (*sum)(const float* x);  ///< of one vector
  float (*max_lane)(const float* x);
  void (*max)(float* out, const float* x, const float* y);
  void (*first_lanes)(float* out, const float* x, const float* y, int64_t count);
};

SimdProbe probe_of(portable::Simd);
SimdProbe probe_of(avx2::Simd);
SimdProbe probe_of(avx512::Simd);

}  // namespace kvs::cpu
