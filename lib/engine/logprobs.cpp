#include "kvs/logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kvs {

Logprobs logprobs_of(std::span<const float> logits, int32_t chosen, int top) {
  constexpr double kImpossible = -std::numeric_limits<double>::infinity();
  const auto value = [&](int32_t token) {
    return std::isnan(logits[token]) ? kImpossible : static_cast<double>(logits[token]);
  };
  std::vector<int32_t> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0);
  const auto count = std::min(static_cast<size_t>(std::max(top, 1)), tokens.size());
  std::partial_sort(tokens.begin(), tokens.begin() + count, tokens.end(), [&](auto a, auto b) {
    return value(a) != value(b) ? value(a) > value(b) : a < b;
  });

  const double best = value(tokens.front());
  double sum = 0;
  for (const int32_t token : tokens) sum += std::exp(value(token) - best);
  const auto logprob = [&](int32_t token) {
    return TokenLogprob{token, value(token) - best - std::log(sum)};
  };
  Logprobs result{.chosen = logprob(chosen)};
  for (int place = 0; place < top && place < static_cast<int>(count); ++place)
    result.top.push_back(logprob(tokens[place]));
  return result;
}

}  // namespace kvs
