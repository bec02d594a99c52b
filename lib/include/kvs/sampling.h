#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace kvs {

/// How the next token is drawn from the logits. The defaults are greedy.
struct SamplingOptions {
  double temperature = 0;         ///< at least 0; 0 takes the most likely token
  double repetition_penalty = 1;  ///< above 0; 1 is none
  int top_k = 0;                  ///< only the k most likely tokens; 0 is all
  double top_p = 1;               ///< (0, 1]: only the most likely ones that sum up to p
  double min_p = 0;               ///< [0, 1]: only those at least p times as likely as the first
  uint64_t seed = 0;
  double presence_penalty = 0;   ///< [-2, 2]: taken off the logits of tokens the answer has already
  double frequency_penalty = 0;  ///< [-2, 2]: the same, once for each time that it has them
  /// Added to the logits of single tokens, [-100, 100] each. Tokens outside the vocabulary count
  /// for nothing.
  std::vector<std::pair<int32_t, double>> logit_bias;
};

}  // namespace kvs
