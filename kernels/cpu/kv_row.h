#pragma once

#include "kernels/cpu/kv_tile.h"

// One head's cached row, read and written. Unnamed, so that no function leaves its level.
namespace kvs::cpu {
namespace {

/// One head's row of a plane as f32. out: [padded(D)], its end zeros.
inline void load_row(const KvPlanes& planes, const std::byte* block, size_t plane,
                     size_t scale_plane, int head, int row, int head_dim, float* out) {
  const size_t h = static_cast<size_t>(head), r = static_cast<size_t>(row);
  const std::byte* elements = block + plane + h * planes.head_bytes + r * planes.row_bytes;
  float scale = 1;
  if (planes.type == KvType::q8) {
    std::memcpy(&scale, block + scale_plane + h * planes.head_scale_bytes + 4 * r, 4);
  }
  load_values(planes.type, {&elements, &scale, &elements, 1}, head_dim, out);
}

// One vector in each of the cache's types; rounds to nearest, ties to even.
struct WriteF32 {
  using Element = float;
  static void row(float* p, simd::Vec x) { simd::store(p, x); }
};
struct WriteF16 {
  using Element = uint16_t;
  static void row(uint16_t* p, simd::Vec x) { simd::store_f16(p, x); }
};
struct WriteBf16 {
  using Element = uint16_t;
  static void row(uint16_t* p, simd::Vec x) { simd::store_bf16(p, x); }
};
struct WriteQ8 {
  using Element = int8_t;
  static void row(int8_t* p, simd::Vec x) { simd::store_i8(p, x); }
};

/// out = x * factor in the cache's type. [D], D a multiple of 8.
template <typename Write>
inline void write_row(const float* x, float factor, int head_dim, std::byte* out) {
  auto* elements = reinterpret_cast<typename Write::Element*>(out);
  int d = 0;
  for (; d + simd::kWidth <= head_dim; d += simd::kWidth) {
    Write::row(elements + d, simd::load(x + d) * simd::broadcast(factor));
  }
  if constexpr (simd::kWidth > 8) {
    if (d < head_dim) {  // eight elements are left
      typename Write::Element rest[simd::kWidth];
      Write::row(rest, simd::load_first(x + d, 8) * simd::broadcast(factor));
      std::memcpy(elements + d, rest, 8 * sizeof(rest[0]));
    }
  }
}

/// The largest magnitude. NaN counts as nothing.
inline float largest(const float* x, int head_dim) {
  simd::Vec found = simd::zero();
  for (int d = 0; d < head_dim; d += simd::kWidth) {
    const simd::Vec some = simd::load_first(x + d, head_dim - d);
    found = simd::max(simd::max(some, simd::zero() - some), found);
  }
  return simd::max_lane(found);
}

struct RowTarget {
  std::byte* row;
  std::byte* scale;
};

inline void write_head(KvType type, const float* x, int head_dim, const RowTarget& to) {
  switch (type) {
    case KvType::f32:
      return write_row<WriteF32>(x, 1, head_dim, to.row);
    case KvType::f16:
      return write_row<WriteF16>(x, 1, head_dim, to.row);
    case KvType::bf16:
      return write_row<WriteBf16>(x, 1, head_dim, to.row);
    case KvType::q8:
      break;
  }
  const float magnitude = largest(x, head_dim);
  const float scale = magnitude / 127;
  std::memcpy(to.scale, &scale, sizeof(scale));
  // Below the smallest normal scale the inverse may overflow; such a row is as good as zero.
  const float inverse = scale >= __FLT_MIN__ ? 127 / magnitude : 0;
  write_row<WriteQ8>(x, inverse, head_dim, to.row);
}

}  // namespace
}  // namespace kvs::cpu
