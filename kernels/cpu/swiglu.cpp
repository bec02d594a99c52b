#include "kernels/cpu/exp.h"
#include "kernels/cpu/install.h"

namespace kvs::cpu {
namespace {

using namespace simd;

Vec silu(Vec x) {
  return x / (broadcast(1) + simd::exp(zero() - x));
}

void swiglu(float* out, const float* gate_up, int64_t rows, int64_t dim) {
  for (int64_t row = 0; row < rows; ++row, gate_up += 2 * dim, out += dim) {
    const float* up = gate_up + dim;
    int64_t i = 0;
    for (; i + kWidth <= dim; i += kWidth) store(out + i, silu(load(gate_up + i)) * load(up + i));
    if (i < dim) {
      const Vec gate = load_first(gate_up + i, dim - i);
      store_first(out + i, silu(gate) * load_first(up + i, dim - i), dim - i);
    }
  }
}

}  // namespace

void install_swiglu(Kernels& table, Simd) {
  table.swiglu = swiglu;
}

}  // namespace kvs::cpu
