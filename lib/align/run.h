#pragma once

#include <cstdint>

namespace kvs {

/// Of the k-grams that anchor what is common: k is the least span, but within these bounds.
constexpr int32_t kMinAnchor = 4, kMaxAnchor = 16;

/// Equal tokens: target [target_first, +count) and donor [donor_first, +count).
struct Run {
  int32_t target_first = 0;
  int32_t donor_first = 0;
  int32_t count = 0;
  int32_t source = 0;

  int32_t target_end() const { return target_first + count; }
  int32_t donor_end() const { return donor_first + count; }
  int32_t shift() const { return target_first - donor_first; }
};

}  // namespace kvs
