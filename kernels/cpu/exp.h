#pragma once

#include "simd.h"

namespace kvs::cpu::simd {

/// e^x within 2 ulp; NaN stays NaN, exp(inf) = inf, exp(-inf) = 0, subnormal results are kept.
static inline Vec exp(Vec x) {
  // Beyond these bounds every result is inf or 0. NaN passes, being the second operand.
  x = min(broadcast(89.0F), max(broadcast(-110.0F), x));

  // x = n ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts, the first with 9 spare bits so that its
  // product with n is exact.
  const Vec n = round(x * broadcast(1.44269504F));
  const Vec r = fma(n, broadcast(2.12194440e-4F), fma(n, broadcast(-0.693359375F), x));

  // Taylor's polynomial to r^7, whose error at the bounds of r is 5e-9 (0.04 ulp).
  Vec p = broadcast(1.0F / 5040);
  p = fma(p, r, broadcast(1.0F / 720));
  p = fma(p, r, broadcast(1.0F / 120));
  p = fma(p, r, broadcast(1.0F / 24));
  p = fma(p, r, broadcast(1.0F / 6));
  p = fma(p, r, broadcast(0.5F));
  p = fma(p, r * r, r);
  return scale_by_power(p + broadcast(1.0F), n);
}

}  // namespace kvs::cpu::simd
