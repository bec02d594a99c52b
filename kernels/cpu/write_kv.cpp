#include "kernels/cpu/write_kv.h"

#include "kernels/cpu/install.h"
#include "kernels/cpu/rotation.h"

namespace kvs::cpu {
namespace {

using namespace simd;

// One vector in each of the cache's types; rounds to nearest, ties to even.
struct WriteF32 {
  using Element = float;
  static void row(float* p, Vec x) { store(p, x); }
};
struct WriteF16 {
  using Element = uint16_t;
  static void row(uint16_t* p, Vec x) { store_f16(p, x); }
};
struct WriteBf16 {
  using Element = uint16_t;
  static void row(uint16_t* p, Vec x) { store_bf16(p, x); }
};
struct WriteQ8 {
  using Element = int8_t;
  static void row(int8_t* p, Vec x) { store_i8(p, x); }
};

/// out = x * factor in the cache's type. [D], D a multiple of 8.
template <typename Write>
void write_row(const float* x, float factor, int head_dim, std::byte* out) {
  auto* elements = reinterpret_cast<typename Write::Element*>(out);
  int d = 0;
  for (; d + kWidth <= head_dim; d += kWidth) {
    Write::row(elements + d, load(x + d) * broadcast(factor));
  }
  if constexpr (kWidth > 8) {
    if (d < head_dim) {  // eight elements are left
      typename Write::Element rest[kWidth];
      Write::row(rest, load_first(x + d, 8) * broadcast(factor));
      std::memcpy(elements + d, rest, 8 * sizeof(rest[0]));
    }
  }
}

/// The largest magnitude. NaN counts as nothing.
float largest(const float* x, int head_dim) {
  Vec found = zero();
  for (int d = 0; d < head_dim; d += kWidth) {
    const Vec some = load_first(x + d, head_dim - d);
    found = max(max(some, zero() - some), found);
  }
  return max_lane(found);
}

struct RowTarget {
  std::byte* row;
  std::byte* scale;
};

void write_head(KvType type, const float* x, int head_dim, const RowTarget& to) {
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

void write_kv(const KvWrite& write, int64_t first, int64_t last) {
  const int head_dim = write.head_dim;
  for (int64_t row = first; row < last; ++row) {
    const KvPlace& place = write.places[row];
    if (!place.block) continue;
    Rotation rotation;
    rotate_by_difference(write.row_angles + row * head_dim, nullptr, head_dim / 2, rotation);
    for (int head = 0; head < write.kv_heads; ++head) {
      const size_t h = static_cast<size_t>(head), slot = static_cast<size_t>(place.slot);
      const KvPlanes& planes = write.planes;
      std::byte* start = place.block + h * planes.head_bytes + slot * planes.row_bytes;
      std::byte* scales = place.block + h * planes.head_scale_bytes + slot * sizeof(float);
      float key[kMaxHeadDim];
      rotate(write.keys + row * write.stride + h * head_dim, rotation, head_dim / 2, 1, key);
      write_head(planes.type, key, head_dim, {start + planes.key, scales + planes.key_scale});
      write_head(planes.type, write.values + row * write.stride + h * head_dim, head_dim,
                 {start + planes.value, scales + planes.value_scale});
    }
  }
}

}  // namespace

void install_write_kv(Kernels& table, Simd) {
  table.write_kv = write_kv;
}

}  // namespace kvs::cpu
