#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "align/run.h"

namespace kvs {

/// A shortest edit path between the two (Myers 1986, greedy forward search), as its runs of equal
/// tokens, ascending. Spends at most about `budget` steps and takes from it what it spent; where
/// the search reaches too far it keeps the path that got furthest and goes on behind it, so the
/// result is a common subsequence always, the longest one mostly.
std::vector<Run> myers_runs(std::span<const int32_t> target, std::span<const int32_t> donor,
                            int64_t& budget);

}  // namespace kvs
