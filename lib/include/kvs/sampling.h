#pragma once

#include <cstdint>

namespace kvs {

/// How the next token is drawn from the logits. The defaults are greedy.
struct SamplingOptions {
  double temperature = 0;         ///< at least 0; 0 takes the most likely token
  double repetition_penalty = 1;  ///< above 0; 1 is none
  int top_k = 0;                  ///< only the k most likely tokens; 0 is all
  double top_p = 1;               ///< (0, 1]: only the most likely ones that sum up to p
  double min_p = 0;               ///< [0, 1]: only those at least p times as likely as the first
  uint64_t seed = 0;
};

}  // namespace kvs
