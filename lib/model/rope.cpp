#include <cmath>
#include <numbers>

#include "kvs/model_config.h"

namespace kvs {

Rope make_rope(double theta, int head_dim) {
  Rope rope;
  rope.theta = theta;
  for (int element = 0; element < head_dim / 2; ++element)
    rope.inverse_frequencies.push_back(std::pow(theta, -2.0 * element / head_dim));
  return rope;
}

void scale_linear(Rope& rope, double factor) {
  rope.scaling = Rope::Scaling::linear;
  for (double& frequency : rope.inverse_frequencies) frequency /= factor;
}

void scale_llama3(Rope& rope, const Llama3Scaling& scaling) {
  rope.scaling = Rope::Scaling::llama3;
  const double low = scaling.low_frequency_factor;
  const double high = scaling.high_frequency_factor;
  for (double& frequency : rope.inverse_frequencies) {
    const double turns = scaling.original_context * frequency / (2 * std::numbers::pi);
    if (turns > high) continue;
    const double kept = turns < low ? 0 : (turns - low) / (high - low);
    frequency *= (1 - kept) / scaling.factor + kept;
  }
}

}  // namespace kvs
