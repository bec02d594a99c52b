#include <cmath>
#include <limits>
#include <utility>

#include "backend/cpu_backend.h"
#include "backend/operation_rules.h"

namespace kvs {
namespace {

bool larger(float a, float b) {
  return a > b || (std::isnan(b) && !std::isnan(a));
}

// In order of tokens, so that of equal logits the first stays in front.
void find_top(const float* logits, int64_t vocab, std::span<TopLogit> top) {
  size_t found = 0;
  for (int64_t token = 0; token < vocab; ++token) {
    if (found == top.size() && !larger(logits[token], top.back().logit)) continue;
    if (found < top.size()) ++found;
    size_t place = found - 1;
    for (; place > 0 && larger(logits[token], top[place - 1].logit); --place)
      top[place] = top[place - 1];
    top[place] = {static_cast<int32_t>(token), logits[token]};
  }
}

}  // namespace

void CpuBackend::top_logits(std::span<TopLogit> top, Tensor logits,
                            std::span<const LogitPlace> apart, std::span<float> values) {
  const auto count = static_cast<size_t>(check_top_logits(top, logits, apart, values));
  const int64_t rows = logits.shape[0], vocab = logits.shape[1];
  for (size_t i = 0; i < apart.size(); ++i)
    values[i] = std::exchange(mutable_floats(logits)[apart[i].row * vocab + apart[i].token],
                              std::numeric_limits<float>::quiet_NaN());
  pool_.parallel_ranges(rows, vocab, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      find_top(floats(logits) + row * vocab, vocab, top.subspan(row * count, count));
  });
}

}  // namespace kvs
