#include "kvs/divergence.h"

#include <algorithm>
#include <cmath>

#include "kvs/error.h"

namespace kvs {
namespace {

double log_sum_exp(std::span<const float> logits) {
  if (logits.empty()) fail(ErrorKind::argument, "logits: no values");
  double largest = -HUGE_VAL;
  for (const float logit : logits) {
    if (std::isnan(logit) || logit == HUGE_VALF)
      fail(ErrorKind::argument, "logits: {} is no logit", logit);
    largest = std::max(largest, static_cast<double>(logit));
  }
  if (largest == -HUGE_VAL) fail(ErrorKind::argument, "logits: no token is possible");
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

void check_lengths(std::span<const float> full, std::span<const float> other) {
  if (full.size() != other.size())
    fail(ErrorKind::argument, "logits: rows of {} and {} tokens, expected the same", full.size(),
         other.size());
}

}  // namespace

double kl_divergence(std::span<const float> full_logits, std::span<const float> other_logits) {
  check_lengths(full_logits, other_logits);
  const double full_sum = log_sum_exp(full_logits);
  const double other_sum = log_sum_exp(other_logits);
  double sum = 0;
  for (size_t token = 0; token < full_logits.size(); ++token) {
    const double log_p = full_logits[token] - full_sum;
    const double p = std::exp(log_p);
    if (p > 0) sum += p * (log_p - (other_logits[token] - other_sum));
  }
  return std::max(sum, 0.0);  // rounding can leave it a little below
}

int32_t top_token(std::span<const float> logits) {
  if (logits.empty()) fail(ErrorKind::argument, "logits: no values");
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

bool top1_agrees(std::span<const float> full_logits, std::span<const float> other_logits) {
  check_lengths(full_logits, other_logits);
  return top_token(full_logits) == top_token(other_logits);
}

double log_probability(std::span<const float> logits, int32_t token) {
  if (token < 0 || static_cast<size_t>(token) >= logits.size())
    fail(ErrorKind::argument, "logits: no token {} among {}", token, logits.size());
  return logits[token] - log_sum_exp(logits);
}

}  // namespace kvs
