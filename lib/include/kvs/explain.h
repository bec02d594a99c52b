#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kvs/edit_script.h"
#include "kvs/export.h"
#include "kvs/reuse.h"

namespace kvs {

/// Why rows of a prompt are reused or computed.
enum class RowReason {
  prefix,          ///< reused: donor and prompt begin alike, which loses nothing
  in_place,        ///< reused: the same position, behind other tokens
  shifted,         ///< reused: another position
  fuzzy,           ///< reused: the row of another token, whose embedding is alike
  policy,          ///< a donor has them, the policy computes them all the same
  last_token,      ///< a donor has it, but its logits are needed
  no_source,       ///< no donor has these tokens, or fewer than 4 of them together
  below_min_span,  ///< a donor has them, in a run shorter than the least one
  unprofitable,    ///< a donor has them, but a further span or donor costs more than it brings
  too_short,       ///< the whole prompt is too short to look for donors
};

/// As in JSON: "prefix", "in_place", ...
KVS_API std::string_view row_reason_name(RowReason reason);

/// Rows [first, first + count) of a prompt and what becomes of them.
struct ExplainedSpan {
  RowReason reason = RowReason::no_source;
  int64_t first = 0;
  int64_t count = 0;
  int32_t donor = -1;       ///< index; -1 where the rows have no source in the script
  int64_t donor_first = 0;  ///< position at the donor

  bool reused() const { return reason <= RowReason::fuzzy; }
  bool operator==(const ExplainedSpan&) const = default;
};

/// What becomes of a prompt, as far as that can be said without running it.
struct ExplainedPlan {
  std::vector<ExplainedSpan> spans;  ///< tiling the target in order
  /// So many of the reused rows that are not lossless are computed all the same: which ones, the
  /// policy chooses by what it measures on the prompt.
  int64_t measured = 0;
};

/// What a server makes of a script under `options`. `donors` are the tokens of all donors that were
/// looked at, those of the script first.
KVS_API ExplainedPlan explain_script(std::span<const int32_t> target,
                                     std::span<const std::span<const int32_t>> donors,
                                     const EditScript& script, const ReuseOptions& options);

}  // namespace kvs
