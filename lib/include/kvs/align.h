#pragma once

#include <cstdint>
#include <span>

#include "kvs/edit_script.h"
#include "kvs/export.h"

namespace kvs {

/// What an alignment may cost and what it keeps.
struct AlignOptions {
  int64_t min_span = 8;  ///< shorter spans are recomputed, a common prefix excepted; at least 1
  bool moves = true;     ///< also find spans that stand elsewhere (of at least 4 tokens)
  /// Steps of the search between anchors; what is left then is looked for as moves. Five times as
  /// many cost 14 ms in place of 4 and find hardly more (tests/bench/bench_align.cpp).
  int64_t budget = 200'000;
};

/// The edit script that makes `target` from one donor. Exact: kept and moved tokens are equal.
/// Anchors on k-grams that are unique on both sides (patience diff, B. Cohen), Myers' O(ND)
/// algorithm between them (Algorithmica 1, 1986), then tiles what is left with the donor's k-grams
/// to find moves. Deterministic. Throws Error(argument) where a side has 2^31 tokens or more.
KVS_API EditScript align(std::span<const int32_t> target, std::span<const int32_t> donor,
                         const AlignOptions& options = {});

}  // namespace kvs
