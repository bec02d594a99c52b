#pragma once

#include <span>

#include "eval/replay.h"
#include "kvs/json.h"

namespace kvs {

/// Into how many equal parts prompts are divided to say where their tokens were reused.
inline constexpr int kPositionParts = 20;

/// {"exact":[...],"shifted":[...],"recomputed":[...],"computed":[...]}: for each of kPositionParts
/// parts of the prompts, from their beginning, the share of its tokens that came about in this way,
/// mean over the requests. A token that stands in two parts counts for both, as far as it does, so
/// that prompts of any length have all parts. Null without requests.
Json reuse_by_position(std::span<const Outcome> outcomes);

}  // namespace kvs
