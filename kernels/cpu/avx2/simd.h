#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/cpu/levels.h"

// The vectors of the AVX2 level: eight lanes. See portable/simd.h for what each name promises.
namespace kvs::cpu {

using Simd = avx2::Simd;

namespace simd {

using Vec = __m256;
constexpr int kWidth = 8;
constexpr bool kHasFma = true;

static inline Vec broadcast(float x) {
  return _mm256_set1_ps(x);
}
static inline Vec zero() {
  return _mm256_setzero_ps();
}
static inline Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
static inline void store(float* p, Vec x) {
  _mm256_storeu_ps(p, x);
}

static inline __m256i first_mask(int64_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const auto capped = static_cast<int32_t>(count < kWidth ? count : kWidth);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(capped), lanes);
}
static inline Vec load_first(const float* p, int64_t count) {
  return _mm256_maskload_ps(p, first_mask(count));
}
static inline void store_first(float* p, Vec x, int64_t count) {
  _mm256_maskstore_ps(p, first_mask(count), x);
}
static inline Vec first_lanes(int64_t count, Vec x, Vec y) {
  return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(first_mask(count)));
}

static inline Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
/// As an instruction of its own: the compiler may else add in another register than the sum's, and
/// then spills in the register tiles of matmul.
static inline void accumulate(Vec& sum, Vec a, Vec b) {
  asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
}
static inline Vec max(Vec x, Vec y) {
  return _mm256_max_ps(x, y);
}
static inline Vec min(Vec x, Vec y) {
  return _mm256_min_ps(x, y);
}
static inline Vec round(Vec x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline Vec scale_by_power(Vec x, Vec n) {
  const __m256i power = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(power, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i rest = _mm256_sub_epi32(power, half);
  const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
  return x * _mm256_castsi256_ps(first) * _mm256_castsi256_ps(second);
}

static inline float sum(Vec x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline float max_lane(Vec x) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

static inline __m128i load_u16(const uint16_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

static inline Vec load_bf16(const uint16_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_u16(p)), 16));
}
static inline void store_bf16(uint16_t* p, Vec x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i chosen = _mm256_blendv_epi8(rounded, quiet, is_nan);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(chosen, chosen), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}

static inline Vec load_f16(const uint16_t* p) {
  return _mm256_cvtph_ps(load_u16(p));
}
static inline void store_f16(uint16_t* p, Vec x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline Vec load_i8(const int8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
static inline void store_i8(int8_t* p, Vec x) {
  const __m256i whole = _mm256_cvtps_epi32(x);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}

constexpr int kTileRows = 6;
constexpr int kTileSums = 12;

template <int kHalf>
static inline Vec load_half(const uint32_t* pairs) {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs));
  const __m256i high = _mm256_set1_epi32(static_cast<int32_t>(0xFFFF0000U));
  return _mm256_castsi256_ps(kHalf == 0 ? _mm256_slli_epi32(x, 16) : _mm256_and_si256(x, high));
}

}  // namespace simd
}  // namespace kvs::cpu

#include "kernels/cpu/widened_pairs.h"
