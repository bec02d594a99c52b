#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// A token and the natural logarithm of its probability.
struct TokenLogprob {
  int32_t token = 0;
  double logprob = 0;

  bool operator==(const TokenLogprob&) const = default;
};

/// How likely a token was, and which ones were the most likely.
struct Logprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;  ///< the most likely first; of equal ones the lower id
};

/// The logarithms of softmax(logits), summed in double: of `chosen` and of the `top` most likely
/// tokens. logits: [vocab], which holds `chosen`; those of NaN count as minus infinity.
KVS_API Logprobs logprobs_of(std::span<const float> logits, int32_t chosen, int top);

}  // namespace kvs
