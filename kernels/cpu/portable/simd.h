#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cpu/levels.h"

// The vectors of the portable level: GCC's vector extension, four lanes. The three simd.h offer the
// same names; a kernel source is compiled once against each. Arithmetic is written with operators.
// Everything is static: what is compiled for one level must not serve another through the linker.
namespace kvs::cpu {

using Simd = portable::Simd;

namespace simd {

using Vec = float __attribute__((vector_size(16)));
using Bits = uint32_t __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
constexpr int kWidth = 4;
constexpr bool kHasFma = false;  // whether fma() is one instruction

static inline Vec as_vec(Bits x) {
  return reinterpret_cast<Vec>(x);
}
static inline Bits as_bits(Vec x) {
  return reinterpret_cast<Bits>(x);
}

static inline Vec broadcast(float x) {
  return Vec{x, x, x, x};
}
static inline Vec zero() {
  return Vec{};
}

static inline Vec load(const float* p) {
  Vec x;
  std::memcpy(&x, p, sizeof(x));
  return x;
}
static inline void store(float* p, Vec x) {
  std::memcpy(p, &x, sizeof(x));
}

/// The first `count` elements, 1 to kWidth - 1 or more; other lanes are 0 and not read.
static inline Vec load_first(const float* p, int64_t count) {
  if (count >= kWidth) return load(p);
  Vec x{};
  for (int64_t lane = 0; lane < count; ++lane) x[lane] = p[lane];
  return x;
}
static inline void store_first(float* p, Vec x, int64_t count) {
  if (count >= kWidth) return store(p, x);
  for (int64_t lane = 0; lane < count; ++lane) p[lane] = x[lane];
}

/// Lanes below `count` from x, the others from y.
static inline Vec first_lanes(int64_t count, Vec x, Vec y) {
  for (int64_t lane = count < 0 ? 0 : count; lane < kWidth; ++lane) x[lane] = y[lane];
  return x;
}

/// a * b + c; rounded once where the level has FMA.
static inline Vec fma(Vec a, Vec b, Vec c) {
  return a * b + c;
}

/// sum = fma(a, b, sum).
static inline void accumulate(Vec& sum, Vec a, Vec b) {
  sum = fma(a, b, sum);
}

/// Where either is NaN: y.
static inline Vec max(Vec x, Vec y) {
  return x > y ? x : y;
}
static inline Vec min(Vec x, Vec y) {
  return x < y ? x : y;
}

/// To the nearest integer, ties to even. |x| at most 2^22.
static inline Vec round(Vec x) {
  const Vec magic = broadcast(12582912.0F);  // 1.5 * 2^23: adding it leaves no fraction bits
  return (x + magic) - magic;
}

/// x * 2^n, n a whole number in [-252, 254].
static inline Vec scale_by_power(Vec x, Vec n) {
  const Ints power = __builtin_convertvector(n, Ints);
  const Ints half = power >> 1;
  const Vec first = reinterpret_cast<Vec>((half + 127) << 23);
  const Vec second = reinterpret_cast<Vec>((power - half + 127) << 23);
  return x * first * second;
}

static inline float sum(Vec x) {
  return (x[0] + x[2]) + (x[1] + x[3]);
}
static inline float max_lane(Vec x) {
  const float low = x[0] > x[1] ? x[0] : x[1];
  const float high = x[2] > x[3] ? x[2] : x[3];
  return low > high ? low : high;
}

static inline void prefetch(const void* p) {
  __builtin_prefetch(p);
}

using Half4 = uint16_t __attribute__((vector_size(8)));

static inline Bits load_u16(const uint16_t* p) {
  Half4 x;
  std::memcpy(&x, p, sizeof(x));
  return __builtin_convertvector(x, Bits);
}
static inline void store_u16(uint16_t* p, Bits x) {
  const Half4 low = __builtin_convertvector(x, Half4);
  std::memcpy(p, &low, sizeof(low));
}

/// bf16 (the upper half of an f32) to and from f32; rounds to nearest, ties to even.
static inline Vec load_bf16(const uint16_t* p) {
  return as_vec(load_u16(p) << 16);
}
static inline void store_bf16(uint16_t* p, Vec x) {
  const Bits bits = as_bits(x);
  const Bits rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  const Bits quiet = (bits >> 16) | 0x40;
  store_u16(p, x == x ? rounded : quiet);
}

/// IEEE 754 binary16 to and from f32; rounds to nearest, ties to even.
static inline Vec load_f16(const uint16_t* p) {
  const Bits half = load_u16(p);
  const Bits shifted = (half & 0x7FFF) << 13;
  const Bits exponent = shifted & 0x0F800000;
  const Bits normal = shifted + ((127 - 15) << 23);
  const Bits special = normal + ((128 - 16) << 23);
  const Vec subnormal = as_vec(normal + (1 << 23)) - as_vec(Bits{} + (113 << 23));
  const Bits magnitude =
      exponent == 0x0F800000 ? special : (exponent == 0 ? as_bits(subnormal) : normal);
  return as_vec(magnitude | ((half & 0x8000) << 16));
}
static inline void store_f16(uint16_t* p, Vec x) {
  const Bits sign = as_bits(x) & 0x80000000;
  const Bits bits = as_bits(x) ^ sign;
  const Bits magic = Bits{} + (126 << 23);  // 0.5: its lowest bit is the smallest binary16
  const Bits subnormal = as_bits(as_vec(bits) + as_vec(magic)) - magic;
  const Bits rounded = (bits - (112U << 23) + 0xFFF + ((bits >> 13) & 1)) >> 13;
  const Bits special = bits > 0x7F800000 ? (Bits{} + 0x7E00) : (Bits{} + 0x7C00);
  const Bits finite = bits < (113U << 23) ? subnormal : rounded;
  store_u16(p, (bits >= (143U << 23) ? special : finite) | (sign >> 16));
}

/// Eight-bit integers; storing rounds to nearest, ties to even. |x| at most 127.
static inline Vec load_i8(const int8_t* p) {
  return Vec{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]),
             static_cast<float>(p[3])};
}
static inline void store_i8(int8_t* p, Vec x) {
  const Ints whole = __builtin_convertvector(round(x), Ints);
  for (int lane = 0; lane < kWidth; ++lane) p[lane] = static_cast<int8_t>(whole[lane]);
}

// The matrix product (matmul_tile.h): rows of a register tile, and registers it sums in.
constexpr int kTileRows = 2;
constexpr int kTileSums = 8;

/// The first (0) or second (1) elements of kWidth pairs of bf16.
template <int kHalf>
static inline Vec load_half(const uint32_t* pairs) {
  Bits x;
  std::memcpy(&x, pairs, sizeof(x));
  return as_vec(kHalf == 0 ? x << 16 : x & 0xFFFF0000);
}

}  // namespace simd
}  // namespace kvs::cpu

#include "kernels/cpu/widened_pairs.h"
