#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "kvs/export.h"
#include "kvs/sampling.h"
#include "kvs/top_logit.h"

namespace kvs {

/// Draws tokens: penalties and biases, then at temperature 0 the most likely token; else top-k,
/// top-p and min-p leave some, and one of them is drawn. The same logits, options and history give
/// the same tokens on every machine. Sources: Keskar et al. 2019 (CTRL), eq. 4.1, repetition
/// penalty; Fan et al. 2018, top-k; Holtzman et al. 2020, top-p; Nguyen et al. 2024, min-p; the
/// OpenAI API reference, presence and frequency penalties and logit_bias.
class KVS_API Sampler {
 public:
  /// Throws Error(argument) where an option is out of its range.
  explicit Sampler(const SamplingOptions& options);

  /// `logits`: [vocab]; `history`: the prompt's and the answer's tokens, which the repetition
  /// penalty counts as seen; the other penalties count those behind the first `prompt_tokens`.
  int32_t sample(std::span<const float> logits, std::span<const int32_t> history,
                 size_t prompt_tokens = 0);

  // Most ways to draw need few of the logits: the rest can stay where they were computed.

  /// How many of the largest logits the next draw needs, beside those of own_tokens(); 0: all.
  int needed() const;
  /// Tokens whose logits do not count as they are, each once. history: as for sample().
  std::vector<int32_t> own_tokens(std::span<const int32_t> history, size_t prompt_tokens,
                                  int32_t vocab) const;
  /// What sample() gives, from the logits of the own tokens and the largest of all others, at least
  /// needed(), in any order.
  int32_t sample_some(std::span<const TopLogit> logits, std::span<const int32_t> history,
                      size_t prompt_tokens);

 private:
  bool is_plain() const;  ///< the logits count as they are

  SamplingOptions options_;
  std::mt19937_64 random_;
};

/// The first index of the largest value. `logits` must not be empty; NaN is never the largest.
KVS_API int32_t argmax(std::span<const float> logits);

}  // namespace kvs
