#pragma once

// AVX-512 for machines without it: SIMDe's functions stand in for the intrinsics, then the level's
// own header is compiled as it is. What this SIMDe lacks is defined below from the definition of
// the instruction, in the namespace of the callers, where it is found before the compiler's own.
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace kvs::cpu::simd {

static inline __m512 _mm512_maskz_loadu_ps(uint16_t mask, const float* p) {
  float x[16]{};
  for (int lane = 0; lane < 16; ++lane)
    if (mask >> lane & 1) x[lane] = p[lane];
  return _mm512_loadu_ps(x);
}

static inline void _mm512_mask_storeu_ps(float* p, uint16_t mask, __m512 value) {
  float x[16];
  _mm512_storeu_ps(x, value);
  for (int lane = 0; lane < 16; ++lane)
    if (mask >> lane & 1) p[lane] = x[lane];
}

static inline __m512 _mm512_cvtph_ps(__m256i halves) {
  const __m256 low = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
  const __m256 high = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
  return _mm512_castpd_ps(
      _mm512_insertf64x4(_mm512_castps_pd(_mm512_castps256_ps512(low)), _mm256_castps_pd(high), 1));
}

static inline __m256i _mm512_cvtps_ph(__m512 x, int) {
  float lanes[16];
  _mm512_storeu_ps(lanes, x);
  const __m128i low = _mm256_cvtps_ph(_mm256_loadu_ps(lanes), _MM_FROUND_TO_NEAREST_INT);
  const __m128i high = _mm256_cvtps_ph(_mm256_loadu_ps(lanes + 8), _MM_FROUND_TO_NEAREST_INT);
  return _mm256_set_m128i(high, low);
}

static inline __m512i _mm512_cvtepu16_epi32(__m256i x) {
  uint16_t narrow[16];
  uint32_t wide[16];
  std::memcpy(narrow, &x, sizeof(narrow));
  for (int lane = 0; lane < 16; ++lane) wide[lane] = narrow[lane];
  return _mm512_loadu_si512(wide);
}

static inline __m512i _mm512_cvtepi8_epi32(__m128i x) {
  int8_t narrow[16];
  int32_t wide[16];
  std::memcpy(narrow, &x, sizeof(narrow));
  for (int lane = 0; lane < 16; ++lane) wide[lane] = narrow[lane];
  return _mm512_loadu_si512(wide);
}

static inline __m512 _mm512_cvtepi32_ps(__m512i x) {
  int32_t whole[16];
  float lanes[16];
  std::memcpy(whole, &x, sizeof(whole));
  for (int lane = 0; lane < 16; ++lane) lanes[lane] = static_cast<float>(whole[lane]);
  return _mm512_loadu_ps(lanes);
}

static inline __m512i _mm512_cvtps_epi32(__m512 x) {
  float lanes[16];
  int32_t whole[16];
  _mm512_storeu_ps(lanes, x);
  for (int lane = 0; lane < 16; ++lane) whole[lane] = static_cast<int32_t>(std::lrint(lanes[lane]));
  return _mm512_loadu_si512(whole);
}

// SIMDe has this one, but by way of 2^n, which overflows where x * 2^n does not.
static inline __m512 scale_by_power_of_two(__m512 x, __m512 n) {
  float lanes[16], powers[16];
  _mm512_storeu_ps(lanes, x);
  _mm512_storeu_ps(powers, n);
  for (int lane = 0; lane < 16; ++lane)
    lanes[lane] = std::ldexp(lanes[lane], static_cast<int>(powers[lane]));
  return _mm512_loadu_ps(lanes);
}
#undef _mm512_scalef_ps
#define _mm512_scalef_ps(x, n) scale_by_power_of_two(x, n)  // NOLINT: the name is Intel's

// VCVTNEPS2BF16: to nearest even, subnormals to zero, NaN made quiet.
static inline uint16_t round_to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  if (std::isnan(x)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  if ((bits & 0x7F800000) == 0) bits &= 0x80000000;
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static inline __m256bh _mm512_cvtneps_pbh(__m512 x) {
  float lanes[16];
  uint16_t rounded[16];
  _mm512_storeu_ps(lanes, x);
  for (int lane = 0; lane < 16; ++lane) rounded[lane] = round_to_bf16(lanes[lane]);
  __m256bh out;
  std::memcpy(&out, rounded, sizeof(out));
  return out;
}

}  // namespace kvs::cpu::simd

#include "kernels/cpu/avx512/simd.h"
