#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/cpu/attention.h"
#include "kv_columns.h"
#include "simd.h"

// Products of a few rows with one tile of keys or values. Every result is a sum in one fixed order
// (over d, or over positions), whatever block it is computed in: a row alone and the same row among
// others come out equal to the bit. Unnamed, so that no function leaves its level.
namespace kvs::cpu {
namespace {

inline constexpr int kBlockRows = 6;

/// Vectors per row in a block of `rows` rows: sums and operands must fit the registers.
constexpr int block_vectors(int rows) {
  const int fit = (simd::kRegisters - 3) / rows;
  return fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
}

/// s[m, c] = sum over d of q[m, d] * keys[d, c]. M rows of `head_dim`, N vectors of columns.
template <int M, int N>
inline void score_block(const float* q, const float* keys, float* s, int64_t head_dim) {
  simd::Vec sum[M][N];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[m][n] = simd::zero();
  }
  for (int64_t d = 0; d < head_dim; ++d) {
    simd::Vec key[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) key[n] = simd::load(keys + d * kTilePositions + n * simd::kWidth);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const simd::Vec query = simd::broadcast(q[m * head_dim + d]);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[m][n] = simd::fma(query, key[n], sum[m][n]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) simd::store(s + m * kScoreStride + n * simd::kWidth, sum[m][n]);
  }
}

/// Which rows of a tile's values count, and what the sums so far are multiplied by.
struct ValueRange {
  const float* correction;  ///< [M]
  int64_t first, last;      ///< rows of the tile
  int64_t width;            ///< elements of a row of sums and of values
};

/// o[m, c] = o[m, c] * correction[m] + sum over k of weights[m, k] * values[k, c].
template <int M, int N>
inline void value_block(const float* weights, const float* values, float* o,
                        const ValueRange& range) {
  simd::Vec sum[M][N];
  const int64_t width = range.width;
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    const simd::Vec correction = simd::broadcast(range.correction[m]);
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      sum[m][n] = simd::load(o + m * width + n * simd::kWidth) * correction;
    }
  }
  for (int64_t k = range.first; k < range.last; ++k) {
    simd::Vec value[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) value[n] = simd::load(values + k * width + n * simd::kWidth);
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      const simd::Vec weight = simd::broadcast(weights[m * kScoreStride + k]);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[m][n] = simd::fma(weight, value[n], sum[m][n]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) simd::store(o + m * width + n * simd::kWidth, sum[m][n]);
  }
}

/// Calls block(N, vector) for all vectors, in the widest blocks that M rows allow.
template <int M, typename Block>
inline void for_vectors(int vectors, Block block) {
  constexpr int kWide = block_vectors(M);
  int at = 0;
  for (; at + kWide <= vectors; at += kWide) block(std::integral_constant<int, kWide>{}, at);
  if constexpr (kWide == 4) {
    if (at + 2 <= vectors) {
      block(std::integral_constant<int, 2>{}, at);
      at += 2;
    }
  }
  if constexpr (kWide > 1) {
    if (at < vectors) block(std::integral_constant<int, 1>{}, at);
  }
}

/// Calls rows(M, first) for blocks of kBlockRows rows of [first, last), then for the rest.
template <typename Rows>
inline void for_row_blocks(int first, int last, Rows rows) {
  for (; first + kBlockRows <= last; first += kBlockRows) {
    rows(std::integral_constant<int, kBlockRows>{}, first);
  }
  switch (last - first) {
    case 1:
      return rows(std::integral_constant<int, 1>{}, first);
    case 2:
      return rows(std::integral_constant<int, 2>{}, first);
    case 3:
      return rows(std::integral_constant<int, 3>{}, first);
    case 4:
      return rows(std::integral_constant<int, 4>{}, first);
    case 5:
      return rows(std::integral_constant<int, 5>{}, first);
    default:
      return;
  }
}

/// Scores of M rows with `columns` keys; writes up to the next whole vector.
template <int M>
inline void score_rows(const float* q, const float* keys, float* s, int64_t head_dim, int columns) {
  const int vectors = (columns + simd::kWidth - 1) / simd::kWidth;
  for_vectors<M>(vectors, [&](auto n, int at) {
    score_block<M, n()>(q, keys + at * simd::kWidth, s + at * simd::kWidth, head_dim);
  });
}

/// Adds the weighted values to M rows of sums.
template <int M>
inline void value_rows(const float* weights, const float* values, float* o,
                       const ValueRange& range) {
  for_vectors<M>(static_cast<int>(range.width) / simd::kWidth, [&](auto n, int at) {
    value_block<M, n()>(weights, values + at * simd::kWidth, o + at * simd::kWidth, range);
  });
}

}  // namespace
}  // namespace kvs::cpu
