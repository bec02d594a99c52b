#pragma once

#include <cstdint>

#include "kernels/cpu/attention.h"
#include "simd.h"

// Softmax over scores that arrive piece by piece, to the base 2. Source: Milakov & Gimelshein 2018,
// "Online normalizer calculation for softmax". Unnamed, so that no function leaves its level.
namespace kvs::cpu {
namespace {

inline constexpr float kLog2E = 1.44269504F;  // scores times this go to the base 2
inline constexpr float kNoMaximum =
    -1e30F;  // below every score, yet finite: differences stay numbers

using Bits = int32_t __attribute__((vector_size(sizeof(simd::Vec))));

/// 2^x for x <= 0, 0 below -126; NaN stays NaN. Relative error of the polynomial 3e-9 (Remez).
inline simd::Vec exp2_negative(simd::Vec x) {
  using simd::broadcast, simd::fma, simd::Vec;
  x = simd::max(broadcast(-127.0F), x);
  // Adding 1.5 * 2^23 rounds to a whole number; with the bias 127 its lowest bits are the exponent.
  const Vec magic = broadcast(12582912.0F + 127.0F);
  const Vec rounded = x + magic;
  const Vec power = reinterpret_cast<Vec>(reinterpret_cast<Bits>(rounded) << 23);
  const Vec f = x - (rounded - magic);
  Vec p = broadcast(1.5594677e-4F);
  p = fma(p, f, broadcast(1.3406644e-3F));
  p = fma(p, f, broadcast(9.6176930e-3F));
  p = fma(p, f, broadcast(5.5503107e-2F));
  p = fma(p, f, broadcast(2.4022653e-1F));
  p = fma(p, f, broadcast(6.9314721e-1F));
  p = fma(p, f, broadcast(1.0F));
  return p * power;
}

/// Softmaxes in the making, for M pairs of row and head: weighted sums of values and of ones, to
/// be multiplied by 2^maximum.
struct Sums {
  float* values;   ///< [M, padded(D)]
  float* maximum;  ///< [M]
  float* weight;   ///< [M]
};

inline Sums sums_at(float* memory, int pairs, int head_dim) {
  float* maximum = memory + int64_t{pairs} * padded(head_dim);
  return {memory, maximum, maximum + padded(pairs)};
}

inline void clear(const Sums& sums, int pairs, int width) {
  for (int64_t i = 0; i < int64_t{pairs} * width; i += simd::kWidth) {
    simd::store(sums.values + i, simd::zero());
  }
  for (int m = 0; m < pairs; ++m) {
    sums.maximum[m] = kNoMaximum;
    sums.weight[m] = 0;
  }
}

/// total += part, for one pair. Sums that saw nothing change nothing.
inline void merge(const Sums& total, const Sums& part, int m, int width) {
  using simd::broadcast, simd::load, simd::Vec;
  const float before = total.maximum[m], found = part.maximum[m];
  const float maximum = found > before ? found : before;
  const Vec keep = exp2_negative(broadcast(before) - broadcast(maximum));
  const Vec gain = exp2_negative(broadcast(found) - broadcast(maximum));
  float* to = total.values + int64_t{m} * width;
  const float* from = part.values + int64_t{m} * width;
  for (int d = 0; d < width; d += simd::kWidth) {
    simd::store(to + d, simd::fma(load(from + d), gain, load(to + d) * keep));
  }
  const Vec weight = simd::fma(broadcast(part.weight[m]), gain, broadcast(total.weight[m]) * keep);
  total.weight[m] = weight[0];
  total.maximum[m] = maximum;
}

/// Scores of columns outside [first, last) become -inf: their weights are exactly 0.
inline void mask_scores(float* scores, int columns, int first, int last) {
  const simd::Vec none = simd::broadcast(-__builtin_inff());
  for (int c = 0; c < columns; c += simd::kWidth) {
    const simd::Vec ends = simd::first_lanes(last - c, simd::load(scores + c), none);
    simd::store(scores + c, simd::first_lanes(first - c, none, ends));
  }
}

/// The larger of `before` and the scores.
inline float find_maximum(const float* scores, int columns, float before) {
  simd::Vec highest = simd::load(scores);
  for (int c = simd::kWidth; c < columns; c += simd::kWidth) {
    highest = simd::max(simd::load(scores + c), highest);
  }
  const float found = simd::max_lane(highest);
  return found > before ? found : before;
}

/// Turns scores into weights 2^(score - maximum); returns their sum, lane by lane.
inline simd::Vec weigh(float* scores, int columns, float maximum) {
  simd::Vec sum = simd::zero();
  for (int c = 0; c < columns; c += simd::kWidth) {
    const simd::Vec weight = exp2_negative(simd::load(scores + c) - simd::broadcast(maximum));
    simd::store(scores + c, weight);
    sum += weight;
  }
  return sum;
}

}  // namespace
}  // namespace kvs::cpu
