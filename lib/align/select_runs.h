#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "align/run.h"

namespace kvs {

/// What a choice of runs costs, in tokens.
struct SelectCosts {
  int32_t min_span = 8;  ///< no shorter part of a run is taken
  int64_t span_cost = 4;
};

/// The parts of runs taken, ascending in the target and apart from each other, and what they cost:
/// the tokens of [first, end) that no part covers + span_cost per part.
struct Selection {
  std::vector<Run> parts;
  int64_t cost = 0;
};

/// The cheapest choice for target [first, end): a shortest path over the positions, where a step
/// leaves a hole or follows a run. `runs` ascend by target_first and lie in the range. Among equal
/// costs the earlier run wins. O(end - first + tokens of all runs).
Selection select_runs(std::span<const Run> runs, int32_t first, int32_t end,
                      const SelectCosts& costs);

}  // namespace kvs
