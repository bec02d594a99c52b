#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "support/noise.h"

// The operations as they are defined, in double precision and without any cleverness: what results
// are compared with. `scale` is the sum of the magnitudes that were added up, which bounds the
// error of a sum.
namespace kvs::test {

struct Expected {
  double value = 0, scale = 0;
};

/// out[t, n] = sum over k of x[t, k] w[n, k]. x: [rows, k]; w: [n, k].
inline std::vector<Expected> reference_matmul(const std::vector<float>& x,
                                              const std::vector<float>& w, int64_t rows, int64_t n,
                                              int64_t k) {
  std::vector<Expected> out(static_cast<size_t>(rows * n));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < n; ++column)
      for (int64_t i = 0; i < k; ++i) {
        const double product = static_cast<double>(x[row * k + i]) * w[column * k + i];
        out[row * n + column].value += product;
        out[row * n + column].scale += std::abs(product);
      }
  return out;
}

/// x * weight / sqrt(mean(x^2) + eps), for one vector.
inline std::vector<double> reference_rms_norm(const float* x, const std::vector<float>& weight,
                                              double eps) {
  double squares = 0;
  for (size_t i = 0; i < weight.size(); ++i) squares += static_cast<double>(x[i]) * x[i];
  const double root = std::sqrt(squares / static_cast<double>(weight.size()) + eps);
  std::vector<double> out;
  for (size_t i = 0; i < weight.size(); ++i) out.push_back(x[i] * weight[i] / root);
  return out;
}

/// (x - mean) / sqrt(variance + eps) * weight + bias, for one vector.
inline std::vector<double> reference_layer_norm(const float* x, const std::vector<float>& weight,
                                                const std::vector<float>& bias, double eps) {
  const auto dim = static_cast<double>(weight.size());
  double mean = 0, variance = 0;
  for (size_t i = 0; i < weight.size(); ++i) mean += x[i] / dim;
  for (size_t i = 0; i < weight.size(); ++i) variance += (x[i] - mean) * (x[i] - mean) / dim;
  std::vector<double> out;
  for (size_t i = 0; i < weight.size(); ++i)
    out.push_back((x[i] - mean) / std::sqrt(variance + eps) * weight[i] + bias[i]);
  return out;
}

inline double reference_gelu(double x) {
  return x * std::erfc(-x / std::sqrt(2.0)) / 2;
}

inline double reference_silu(double x) {
  return x / (1 + std::exp(-x));
}

}  // namespace kvs::test
