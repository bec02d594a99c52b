#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/selector.h"

// What the rules have in common.
namespace kvs {

/// Positions of the kept rows, ascending.
std::vector<int64_t> kept_positions(std::span<const PlanSpan> spans);

/// `share` of `count`, rounded up.
int64_t share_of(double share, int64_t count);

/// The budget's share of the kept rows.
int64_t share_of_kept(const SelectionContext& context);

/// values[position] of each position.
std::vector<double> values_at(std::span<const float> values, std::span<const int64_t> positions);

/// Of `positions` those with the `count` highest scores, ascending; of equal ones the first.
/// scores: one per position.
std::vector<int64_t> highest(std::span<const int64_t> positions, std::span<const double> scores,
                             int64_t count);

/// The same in whole windows: neighbours are cut into windows of `window` rows, the shorter one
/// last, and windows are taken in order of their mean score until they hold `count` rows, the last
/// one in part.
std::vector<int64_t> highest_windows(std::span<const int64_t> positions,
                                     std::span<const double> scores, int64_t window, int64_t count);

/// The last rows of the prompt that are computed anyway and follow every kept one, at most `most`:
/// what asks about the rest.
std::vector<int64_t> query_positions(std::span<const PlanSpan> spans, int64_t most);

/// The kept rows among the last `count` of the prompt: mostly what is asked.
std::vector<int64_t> last_kept(std::span<const PlanSpan> spans, int64_t count);

/// Query rows whose attention is measured at most: later ones say what is asked.
inline constexpr int64_t kQueryRows = 32;

}  // namespace kvs
