#include "kernels/cpu/exp.h"
#include "kernels/cpu/install.h"

namespace kvs::cpu {
namespace {

using namespace simd;

// erfc(a / sqrt(2)) for a >= 0, within 1.5e-7. Source: Abramowitz & Stegun 1964, 7.1.26.
Vec complement(Vec a) {
  const Vec x = a * broadcast(0.707106781F);
  const Vec t = broadcast(1) / fma(x, broadcast(0.3275911F), broadcast(1));
  Vec p = broadcast(1.061405429F);
  p = fma(p, t, broadcast(-1.453152027F));
  p = fma(p, t, broadcast(1.421413741F));
  p = fma(p, t, broadcast(-0.284496736F));
  p = fma(p, t, broadcast(0.254829592F));
  return p * t * simd::exp(zero() - x * x);
}

// x Phi(x) = max(x, 0) - |x| erfc(|x| / sqrt(2)) / 2, which cancels nowhere. Beyond 20 the second
// term is 0 in f32. NaN passes, being the second operand.
Vec gelu_of(Vec x) {
  const Vec a = min(broadcast(20), max(zero() - x, x));
  return max(zero(), x) - a * broadcast(0.5F) * complement(a);
}

void gelu(float* out, const float* x, int64_t count) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) store(out + i, gelu_of(load(x + i)));
  if (i < count) store_first(out + i, gelu_of(load_first(x + i, count - i)), count - i);
}

}  // namespace

void install_gelu(Kernels& table, Simd) {
  table.gelu = gelu;
}

}  // namespace kvs::cpu
