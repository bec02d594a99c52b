#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/cpu/levels.h"

// The vectors of the AVX-512 level: sixteen lanes. See portable/simd.h for what each name promises.
namespace kvs::cpu {

using Simd = avx512::Simd;

namespace simd {

using Vec = __m512;
constexpr int kWidth = 16;
constexpr bool kHasFma = true;

static inline Vec broadcast(float x) {
  return _mm512_set1_ps(x);
}
static inline Vec zero() {
  return _mm512_setzero_ps();
}
static inline Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
static inline void store(float* p, Vec x) {
  _mm512_storeu_ps(p, x);
}

static inline __mmask16 first_mask(int64_t count) {
  return static_cast<__mmask16>(count >= kWidth ? 0xFFFFU : (1U << (count < 0 ? 0 : count)) - 1U);
}
static inline Vec load_first(const float* p, int64_t count) {
  return _mm512_maskz_loadu_ps(first_mask(count), p);
}
static inline void store_first(float* p, Vec x, int64_t count) {
  _mm512_mask_storeu_ps(p, first_mask(count), x);
}
static inline Vec first_lanes(int64_t count, Vec x, Vec y) {
  return _mm512_mask_blend_ps(first_mask(count), y, x);
}

static inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
static inline void accumulate(Vec& sum, Vec a, Vec b) {
  sum = fma(a, b, sum);
}
static inline Vec max(Vec x, Vec y) {
  return _mm512_max_ps(x, y);
}
static inline Vec min(Vec x, Vec y) {
  return _mm512_min_ps(x, y);
}
static inline Vec round(Vec x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline Vec scale_by_power(Vec x, Vec n) {
  return _mm512_scalef_ps(x, n);
}

static inline __m256 lower_half(Vec x) {
  return _mm512_castps512_ps256(x);
}
static inline __m256 upper_half(Vec x) {
  return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}
static inline float sum(Vec x) {
  const __m256 eight = _mm256_add_ps(lower_half(x), upper_half(x));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline float max_lane(Vec x) {
  const __m256 eight = _mm256_max_ps(lower_half(x), upper_half(x));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

static inline __m256i load_u16(const uint16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

static inline Vec load_bf16(const uint16_t* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_u16(p)), 16));
}
/// Subnormal values become 0, as in the bf16 products of this level.
static inline void store_bf16(uint16_t* p, Vec x) {
  const __m256bh rounded = _mm512_cvtneps_pbh(x);
  std::memcpy(p, &rounded, sizeof(rounded));
}

static inline Vec load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(load_u16(p));
}
static inline void store_f16(uint16_t* p, Vec x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline Vec load_i8(const int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
static inline void store_i8(int8_t* p, Vec x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x)));
}

constexpr int kTileRows = 8;
constexpr int kTileSums = 24;

// Not visible to other sources: the same names mean other things in other levels.
namespace {

/// bf16 weights times activations rounded to bf16 in pairs; a pair's products are added in f32 by
/// one instruction.
struct Bf16Weights {
  using Activation = uint32_t;
  using Packed = uint32_t;
  using Loaded = __m512bh;
  static constexpr int kElementsPerStep = 2;
  static constexpr int kActivationsPerStep = 1;
  static constexpr int kHalves = 1;
  static constexpr bool kRoundsActivations = true;

  template <int kHalf>
  static Loaded load(const Packed* pairs) {
    Loaded x;
    std::memcpy(&x, pairs, sizeof(x));
    return x;
  }
  template <int kHalf>
  static Loaded broadcast_activation(const Activation* x) {
    const __m512i all = _mm512_set1_epi32(static_cast<int32_t>(*x));
    Loaded pairs;
    std::memcpy(&pairs, &all, sizeof(pairs));
    return pairs;
  }
  static void accumulate(Vec& sum, Loaded x, Loaded w) { sum = _mm512_dpbf16_ps(sum, x, w); }
};

}  // namespace
}  // namespace simd
}  // namespace kvs::cpu
