#include "kernels/cpu/install.h"

namespace kvs::cpu {
namespace {

using namespace simd;

float mean_of(const float* x, int64_t dim) {
  Vec total = zero();
  int64_t i = 0;
  for (; i + kWidth <= dim; i += kWidth) total = total + load(x + i);
  if (i < dim) total = total + load_first(x + i, dim - i);
  return sum(total) / static_cast<float>(dim);
}

// Of the differences, not of the squares: those would cancel where the mean is large.
float variance_of(const float* x, float mean, int64_t dim) {
  const Vec centre = broadcast(mean);
  Vec total = zero();
  int64_t i = 0;
  for (; i + kWidth <= dim; i += kWidth) {
    const Vec difference = load(x + i) - centre;
    total = fma(difference, difference, total);
  }
  if (i < dim) {
    const Vec difference = first_lanes(dim - i, load_first(x + i, dim - i) - centre, zero());
    total = fma(difference, difference, total);
  }
  return sum(total) / static_cast<float>(dim);
}

void layer_norm(float* out, const float* x, const LayerNormWeights& weights, int64_t rows,
                int64_t dim) {
  for (int64_t row = 0; row < rows; ++row, x += dim, out += dim) {
    const float mean = mean_of(x, dim);
    const Vec centre = broadcast(mean);
    const Vec scale = broadcast(1 / __builtin_sqrtf(variance_of(x, mean, dim) + weights.eps));
    int64_t i = 0;
    for (; i + kWidth <= dim; i += kWidth)
      store(out + i,
            fma((load(x + i) - centre) * scale, load(weights.weight + i), load(weights.bias + i)));
    if (i < dim) {
      const int64_t rest = dim - i;
      store_first(out + i,
                  fma((load_first(x + i, rest) - centre) * scale,
                      load_first(weights.weight + i, rest), load_first(weights.bias + i, rest)),
                  rest);
    }
  }
}

}  // namespace

void install_layer_norm(Kernels& table, Simd) {
  table.layer_norm = layer_norm;
}

}  // namespace kvs::cpu
