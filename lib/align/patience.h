#pragma once

#include <span>
#include <vector>

#include "align/run.h"

namespace kvs {

/// What the unique k-grams of two texts say about them.
struct Anchors {
  std::vector<Run> runs;    ///< ascending on both sides, no overlap, each as long as it can be
  bool any_common = false;  ///< some k-gram occurs on both sides
};

/// Runs around the k-grams that occur once in the target and once in the donor: the longest
/// increasing chain of them (patience diff), each widened to both sides.
Anchors patience_anchors(std::span<const int32_t> target, std::span<const int32_t> donor, int k);

}  // namespace kvs
