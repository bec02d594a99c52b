#pragma once

#include "simd.h"

// Columns of cached rows: eight elements of each of kWidth rows, one vector per element.
namespace kvs::cpu::simd {

inline constexpr int kRegisters = 16;

static inline __m256 join(__m128 low, __m128 high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

/// out[e] lane r = rows[r][at + e].
static inline void load_columns(const float* const* rows, int64_t at, Vec* out) {
  for (int64_t half = 0; half < 2; ++half) {  // four elements of all eight rows
    Vec pair[4];
    for (int r = 0; r < 4; ++r) {
      pair[r] =
          join(_mm_loadu_ps(rows[r] + at + 4 * half), _mm_loadu_ps(rows[r + 4] + at + 4 * half));
    }
    const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(pair[0], pair[1]));
    const __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps(pair[0], pair[1]));
    const __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(pair[2], pair[3]));
    const __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(pair[2], pair[3]));
    out[4 * half + 0] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
    out[4 * half + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
    out[4 * half + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
    out[4 * half + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
  }
}

/// The same of 16-bit elements, still 16 bits wide.
static inline void load_columns(const uint16_t* const* rows, int64_t at, __m128i* out) {
  __m128i x[8];
  for (int r = 0; r < 8; ++r) x[r] = load_u16(rows[r] + at);
  __m128i pair[8];  // elements of rows 2r and 2r + 1, side by side
  for (int r = 0; r < 4; ++r) {
    pair[r] = _mm_unpacklo_epi16(x[2 * r], x[2 * r + 1]);
    pair[r + 4] = _mm_unpackhi_epi16(x[2 * r], x[2 * r + 1]);
  }
  for (int high = 0; high < 2; ++high) {
    const __m128i* p = pair + 4 * high;
    const __m128i a = _mm_unpacklo_epi32(p[0], p[1]), b = _mm_unpackhi_epi32(p[0], p[1]);
    const __m128i c = _mm_unpacklo_epi32(p[2], p[3]), d = _mm_unpackhi_epi32(p[2], p[3]);
    out[4 * high + 0] = _mm_unpacklo_epi64(a, c);
    out[4 * high + 1] = _mm_unpackhi_epi64(a, c);
    out[4 * high + 2] = _mm_unpacklo_epi64(b, d);
    out[4 * high + 3] = _mm_unpackhi_epi64(b, d);
  }
}

static inline void load_f16_columns(const uint16_t* const* rows, int64_t at, Vec* out) {
  __m128i columns[8];
  load_columns(rows, at, columns);
  for (int e = 0; e < 8; ++e) out[e] = _mm256_cvtph_ps(columns[e]);
}

static inline void load_bf16_columns(const uint16_t* const* rows, int64_t at, Vec* out) {
  __m128i columns[8];
  load_columns(rows, at, columns);
  for (int e = 0; e < 8; ++e) {
    out[e] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(columns[e]), 16));
  }
}

static inline void load_i8_columns(const int8_t* const* rows, int64_t at, Vec* out) {
  __m128i pair[4];  // eight elements of rows 2r and 2r + 1, side by side
  for (int r = 0; r < 4; ++r) {
    const auto* low = reinterpret_cast<const __m128i*>(rows[2 * r] + at);
    const auto* high = reinterpret_cast<const __m128i*>(rows[2 * r + 1] + at);
    pair[r] = _mm_unpacklo_epi8(_mm_loadl_epi64(low), _mm_loadl_epi64(high));
  }
  const __m128i a = _mm_unpacklo_epi16(pair[0], pair[1]), b = _mm_unpackhi_epi16(pair[0], pair[1]);
  const __m128i c = _mm_unpacklo_epi16(pair[2], pair[3]), d = _mm_unpackhi_epi16(pair[2], pair[3]);
  const __m128i two[4] = {_mm_unpacklo_epi32(a, c), _mm_unpackhi_epi32(a, c),
                          _mm_unpacklo_epi32(b, d), _mm_unpackhi_epi32(b, d)};
  for (int e = 0; e < 4; ++e) {
    out[2 * e] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(two[e]));
    out[2 * e + 1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(two[e], 8)));
  }
}

}  // namespace kvs::cpu::simd
