#pragma once

#include "simd.h"

// Columns of cached rows: eight elements of each of kWidth rows, one vector per element.
namespace kvs::cpu::simd {

inline constexpr int kRegisters = 16;

/// out[e] lane r = rows[r][at + e], for the type that `load` reads.
template <typename T>
static inline void transpose_columns(const T* const* rows, int64_t at, Vec (*load)(const T*),
                                     Vec* out) {
  for (int64_t half = 0; half < 2; ++half) {
    Vec x[4];
    for (int r = 0; r < 4; ++r) x[r] = load(rows[r] + at + 4 * half);
    for (int e = 0; e < 4; ++e) out[4 * half + e] = Vec{x[0][e], x[1][e], x[2][e], x[3][e]};
  }
}

static inline void load_columns(const float* const* rows, int64_t at, Vec* out) {
  transpose_columns(rows, at, load, out);
}
static inline void load_f16_columns(const uint16_t* const* rows, int64_t at, Vec* out) {
  transpose_columns(rows, at, load_f16, out);
}
static inline void load_bf16_columns(const uint16_t* const* rows, int64_t at, Vec* out) {
  transpose_columns(rows, at, load_bf16, out);
}
static inline void load_i8_columns(const int8_t* const* rows, int64_t at, Vec* out) {
  transpose_columns(rows, at, load_i8, out);
}

}  // namespace kvs::cpu::simd
