#pragma once

#include <cstdint>

namespace kvs {

/// A token and its logit.
struct TopLogit {
  int32_t token = 0;
  float logit = 0;

  bool operator==(const TopLogit&) const = default;
};

/// A place in a tensor of logits.
struct LogitPlace {
  int32_t row = 0, token = 0;
};

}  // namespace kvs
