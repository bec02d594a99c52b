#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/edit_script.h"

namespace kvs {

/// The tokens [first, end) of a text.
struct TokenRange {
  int64_t first = 0;
  int64_t end = 0;

  bool operator==(const TokenRange&) const = default;
};

/// The ranges of a text of which at least `holders` have every token, each in one piece. `covers`:
/// of each holder the spans of the text that it has, ascending. Ranges of fewer than `least` tokens
/// do not count; the others ascend and do not overlap.
std::vector<TokenRange> common_spans(std::span<const std::vector<SourceSpan>> covers,
                                     size_t holders, int64_t least);

}  // namespace kvs
