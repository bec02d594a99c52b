#pragma once

#include "simd.h"

// Columns of cached rows: eight elements of each of kWidth rows, one vector per element.
namespace kvs::cpu::simd {

inline constexpr int kRegisters = 32;

/// out[e] lane r = lanes of x: x[r] holds eight elements of row r in its lower half and of row
/// r + 8 in its upper half.
static inline void transpose_halves(const Vec* x, Vec* out) {
  Vec quad[8];  // per 128 bits: one element of four neighbouring rows
  for (int four = 0; four < 8; four += 4) {
    const Vec a = _mm512_unpacklo_ps(x[four], x[four + 1]);
    const Vec b = _mm512_unpackhi_ps(x[four], x[four + 1]);
    const Vec c = _mm512_unpacklo_ps(x[four + 2], x[four + 3]);
    const Vec d = _mm512_unpackhi_ps(x[four + 2], x[four + 3]);
    quad[four + 0] = _mm512_shuffle_ps(a, c, 0x44);
    quad[four + 1] = _mm512_shuffle_ps(a, c, 0xEE);
    quad[four + 2] = _mm512_shuffle_ps(b, d, 0x44);
    quad[four + 3] = _mm512_shuffle_ps(b, d, 0xEE);
  }
  // Quads of rows 0-3 and 4-7 have elements e, e + 4 (rows of the lower half), e, e + 4 (upper).
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
  const __m512i second =
      _mm512_setr_epi32(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  for (int e = 0; e < 4; ++e) {
    out[e] = _mm512_permutex2var_ps(quad[e], first, quad[e + 4]);
    out[e + 4] = _mm512_permutex2var_ps(quad[e], second, quad[e + 4]);
  }
}

/// Eight elements of each of two rows.
static inline Vec load_halves(const float* low, const float* high) {
  const __m512 both = _mm512_castps256_ps512(_mm256_loadu_ps(low));
  return _mm512_castpd_ps(
      _mm512_insertf64x4(_mm512_castps_pd(both), _mm256_castps_pd(_mm256_loadu_ps(high)), 1));
}
static inline __m256i load_halves(const uint16_t* low, const uint16_t* high) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low))),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
}

/// out[e] lane r = rows[r][at + e].
static inline void load_columns(const float* const* rows, int64_t at, Vec* out) {
  Vec x[8];
  for (int r = 0; r < 8; ++r) x[r] = load_halves(rows[r] + at, rows[r + 8] + at);
  transpose_halves(x, out);
}
static inline void load_f16_columns(const uint16_t* const* rows, int64_t at, Vec* out) {
  Vec x[8];
  for (int r = 0; r < 8; ++r) {
    x[r] = _mm512_cvtph_ps(load_halves(rows[r] + at, rows[r + 8] + at));
  }
  transpose_halves(x, out);
}
static inline void load_bf16_columns(const uint16_t* const* rows, int64_t at, Vec* out) {
  Vec x[8];
  for (int r = 0; r < 8; ++r) {
    const __m256i both = load_halves(rows[r] + at, rows[r + 8] + at);
    x[r] = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(both), 16));
  }
  transpose_halves(x, out);
}
static inline void load_i8_columns(const int8_t* const* rows, int64_t at, Vec* out) {
  Vec x[8];
  for (int r = 0; r < 8; ++r) {
    const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows[r] + at));
    const __m128i high = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows[r + 8] + at));
    x[r] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_unpacklo_epi64(low, high)));
  }
  transpose_halves(x, out);
}

}  // namespace kvs::cpu::simd
