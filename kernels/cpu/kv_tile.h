#pragma once

#include <cstring>

#include "kernels/cpu/attention.h"
#include "kv_columns.h"
#include "simd.h"

// Cached rows as f32, from any of the cache's types. Unnamed, so that no function leaves its level.
namespace kvs::cpu {
namespace {

// How the elements of each KvType are read: a vector of them, and eight columns of kWidth rows.
struct ReadF32 {
  using Element = float;
  static simd::Vec row(const float* p) { return simd::load(p); }
  static void columns(const float* const* rows, int64_t at, simd::Vec* out) {
    simd::load_columns(rows, at, out);
  }
};
struct ReadF16 {
  using Element = uint16_t;
  static simd::Vec row(const uint16_t* p) { return simd::load_f16(p); }
  static void columns(const uint16_t* const* rows, int64_t at, simd::Vec* out) {
    simd::load_f16_columns(rows, at, out);
  }
};
struct ReadBf16 {
  using Element = uint16_t;
  static simd::Vec row(const uint16_t* p) { return simd::load_bf16(p); }
  static void columns(const uint16_t* const* rows, int64_t at, simd::Vec* out) {
    simd::load_bf16_columns(rows, at, out);
  }
};
struct ReadQ8 {
  using Element = int8_t;
  static simd::Vec row(const int8_t* p) { return simd::load_i8(p); }
  static void columns(const int8_t* const* rows, int64_t at, simd::Vec* out) {
    simd::load_i8_columns(rows, at, out);
  }
};

/// Rows of one tile, wherever they lie; `scales` for q8 only. The rows at the same places of
/// `ahead` are brought to the second cache meanwhile, a few at a time: they lie in pages of their
/// own, which the processor does not foresee.
struct RowsToLoad {
  const std::byte* const* rows;
  const float* scales;
  const std::byte* const* ahead;
  int count;
};

inline void prefetch_row(const std::byte* row, size_t bytes) {
  for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(row + at, 0, 2);
}

/// keys[d, c] = element d of row c, in columns rounded up to whole vectors: `rows` (and scales) go
/// on to there. keys: [D, kTilePositions].
template <typename Read>
inline void load_keys(const RowsToLoad& tile, int head_dim, float* keys) {
  using Element = typename Read::Element;
  for (int c = 0; c < tile.count; c += simd::kWidth) {
    const auto* const* rows = reinterpret_cast<const Element* const*>(tile.rows + c);
    for (int64_t d = 0; d < head_dim; d += 8) {
      if (d / 8 < simd::kWidth) prefetch_row(tile.ahead[c + d / 8], head_dim * sizeof(Element));
      simd::Vec columns[8];
      Read::columns(rows, d, columns);
      for (int64_t e = 0; e < 8; ++e) {
        if constexpr (sizeof(Element) == 1) columns[e] *= simd::load(tile.scales + c);
        simd::store(keys + (d + e) * kTilePositions + c, columns[e]);
      }
    }
  }
}

/// One row, its end filled up with zeros. values: [padded(D)].
template <typename Read>
inline void load_value(const std::byte* row, const float* scale, int head_dim, float* values) {
  using Element = typename Read::Element;
  const auto* elements = reinterpret_cast<const Element*>(row);
  simd::Vec factor = simd::zero();
  if constexpr (sizeof(Element) == 1) factor = simd::broadcast(*scale);
  const auto put = [&](int d, simd::Vec x) {
    if constexpr (sizeof(Element) == 1) x *= factor;
    simd::store(values + d, x);
  };
  int d = 0;
  for (; d + simd::kWidth <= head_dim; d += simd::kWidth) put(d, Read::row(elements + d));
  if constexpr (simd::kWidth > 8) {
    if (d < head_dim) {  // eight elements are left
      Element rest[simd::kWidth] = {};
      std::memcpy(rest, elements + d, 8 * sizeof(Element));
      put(d, Read::row(rest));
      d += simd::kWidth;
    }
  }
  for (; d < padded(head_dim); d += simd::kWidth) simd::store(values + d, simd::zero());
}

/// values: [count, padded(D)].
template <typename Read>
inline void load_values(const RowsToLoad& tile, int head_dim, float* values) {
  const int64_t width = padded(head_dim);
  for (int c = 0; c < tile.count; ++c) {
    prefetch_row(tile.ahead[c], head_dim * sizeof(typename Read::Element));
    load_value<Read>(tile.rows[c], tile.scales + c, head_dim, values + c * width);
  }
}

inline void load_keys(KvType type, const RowsToLoad& tile, int head_dim, float* keys) {
  switch (type) {
    case KvType::f32:
      return load_keys<ReadF32>(tile, head_dim, keys);
    case KvType::f16:
      return load_keys<ReadF16>(tile, head_dim, keys);
    case KvType::bf16:
      return load_keys<ReadBf16>(tile, head_dim, keys);
    case KvType::q8:
      return load_keys<ReadQ8>(tile, head_dim, keys);
  }
}

inline void load_values(KvType type, const RowsToLoad& tile, int head_dim, float* values) {
  switch (type) {
    case KvType::f32:
      return load_values<ReadF32>(tile, head_dim, values);
    case KvType::f16:
      return load_values<ReadF16>(tile, head_dim, values);
    case KvType::bf16:
      return load_values<ReadBf16>(tile, head_dim, values);
    case KvType::q8:
      return load_values<ReadQ8>(tile, head_dim, values);
  }
}

}  // namespace
}  // namespace kvs::cpu
