#include "kernels/cpu/kv_deviation.h"

#include "kernels/cpu/install.h"
#include "kernels/cpu/kv_row.h"
#include "kernels/cpu/rotation.h"

namespace kvs::cpu {
namespace {

using namespace simd;

struct Difference {
  float squares, magnitudes;
};

Difference difference(const float* a, const float* b, int count) {
  Vec squares = zero(), magnitudes = zero();
  for (int d = 0; d < count; d += kWidth) {
    const Vec x = load(a + d) - load(b + d);
    accumulate(squares, x, x);
    magnitudes += max(x, zero() - x);
  }
  return {sum(squares), sum(magnitudes)};
}

void compare_pair(const KvComparison& work, const KvRowPair& pair, float* out) {
  const KvPlanes& planes = work.planes;
  const int width = padded(work.head_dim);
  Rotation rotation;
  if (pair.angles) rotate_by_difference(pair.angles, nullptr, work.head_dim / 2, rotation);
  float a[kMaxHeadDim], b[kMaxHeadDim], rotated[kMaxHeadDim] = {};
  out[0] = out[1] = out[2] = 0;
  for (int head = 0; head < work.kv_heads; ++head) {
    const auto load_both = [&](size_t plane, size_t scales) {
      load_row(planes, pair.block, plane, scales, head, pair.row, work.head_dim, a);
      load_row(planes, pair.kept_block, plane, scales, head, pair.kept_row, work.head_dim, b);
    };
    load_both(planes.key, planes.key_scale);
    if (pair.angles) rotate(a, rotation, work.head_dim / 2, 1, rotated);
    out[0] += difference(pair.angles ? rotated : a, b, width).squares;
    load_both(planes.value, planes.value_scale);
    const Difference values = difference(a, b, width);
    out[1] += values.squares;
    out[2] += values.magnitudes;
  }
}

void kv_deviation(const KvComparison& work, int64_t first, int64_t last) {
  for (int64_t pair = first; pair < last; ++pair) {
    compare_pair(work, work.pairs[pair], work.out + 3 * pair);
  }
}

}  // namespace

void install_kv_deviation(Kernels& table, Simd) {
  table.kv_deviation = kv_deviation;
}

}  // namespace kvs::cpu
