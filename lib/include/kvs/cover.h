#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/edit_script.h"
#include "kvs/export.h"

namespace kvs {

/// What a source must bring in, counted in tokens that need not be computed.
struct CoverOptions {
  int64_t min_span = 8;     ///< shorter spans are recomputed, a common prefix excepted; at least 1
  int64_t span_cost = 4;    ///< what each span costs (its first tokens attend to nothing familiar)
  int64_t donor_cost = 32;  ///< what each further donor costs
};

/// Picks for each target position at most one source among the donors. The longest exact prefix of
/// a donor always is the leading span, at any length, since its rows are lossless. Behind it the
/// spans minimise holes + span_cost · spans over the donors used, and a donor is used only where it
/// lowers that by more than donor_cost. Spans ascend in the target, never overlap, and hold at
/// least max(min_span, 4) tokens. Deterministic; ties go to the donor named first, so name the best
/// first. O(tokens of target and donors). Throws Error(argument) where a side has 2^31 tokens or
/// more.
KVS_API std::vector<SourceSpan> cover(std::span<const int32_t> target,
                                      std::span<const std::span<const int32_t>> donors,
                                      const CoverOptions& options = {});

}  // namespace kvs
