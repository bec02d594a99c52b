#include "kernels/cpu/install.h"

namespace kvs::cpu {
namespace {

using namespace simd;

// Two accumulators: one would wait for its own sum.
float sum_of_squares(const float* x, int64_t dim) {
  Vec even = zero(), odd = zero();
  int64_t i = 0;
  for (; i + 2 * kWidth <= dim; i += 2 * kWidth) {
    const Vec a = load(x + i), b = load(x + i + kWidth);
    even = fma(a, a, even);
    odd = fma(b, b, odd);
  }
  for (; i < dim; i += kWidth) {
    const Vec a = load_first(x + i, dim - i);
    even = fma(a, a, even);
  }
  return sum(even + odd);
}

void rms_norm(float* out, const float* x, const float* weight, int64_t rows, int64_t dim,
              int64_t stride, float eps) {
  for (int64_t row = 0; row < rows; ++row, x += stride, out += stride) {
    const float mean = sum_of_squares(x, dim) / static_cast<float>(dim);
    const Vec scale = broadcast(1 / __builtin_sqrtf(mean + eps));
    int64_t i = 0;
    for (; i + kWidth <= dim; i += kWidth) store(out + i, load(x + i) * scale * load(weight + i));
    if (i < dim) {
      const Vec rest = load_first(x + i, dim - i) * scale * load_first(weight + i, dim - i);
      store_first(out + i, rest, dim - i);
    }
  }
}

}  // namespace

void install_rms_norm(Kernels& table, Simd) {
  table.rms_norm = rms_norm;
}

}  // namespace kvs::cpu
