#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/reuse.h"

namespace kvs {

using TokenSpans = std::span<const std::span<const int32_t>>;

struct TierChoice {
  std::vector<size_t> donors;  ///< of those offered
  int64_t tokens = 0;          ///< of the prompt, that they add to what is at hand
};

/// Which of the `offered` donors have so many of a prompt's tokens that those `at_hand` have not
/// that it is worth bringing them: two at most, as an alignment says; under lossless reuse the one
/// with the longest prefix in common.
TierChoice choose_donors(std::span<const int32_t> prompt, TokenSpans at_hand, TokenSpans offered,
                         const ReuseOptions& options);

}  // namespace kvs
