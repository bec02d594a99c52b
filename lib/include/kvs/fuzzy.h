#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kvs/edit_script.h"
#include "kvs/export.h"

namespace kvs {

/// How alike tokens are: the cosines of their embeddings, [targets, donors], row-major.
using TokenCosines = std::function<std::vector<float>(std::span<const int32_t> targets,
                                                      std::span<const int32_t> donors)>;

struct FuzzyOptions {
  double threshold = 0.9;  ///< least cosine of two tokens of which one may stand for the other
  int64_t min_span = 8;    ///< what a run of pairs must bring that touches no matched span
};

/// Adds fuzzy spans to a cover. Between two neighbouring spans of one donor, in the donor's order,
/// the target's tokens are paired with the donor's: both in order, each token once, and only where
/// tokens are equal or have a cosine of at least the threshold. The pairing has the largest sum of
/// cosines, less min_span for each run of neighbours, plus min_span where a run goes on from the
/// span before and where one goes on into the span behind; so a replaced word keeps its place, and
/// stray likenesses count for nothing. Pairs of equal tokens become exact spans of any length, the
/// others fuzzy ones. Each gap is looked at up to 65,536 pairs, all of them up to 262,144; what is
/// larger stays a gap. Deterministic. Throws Error(argument) where `cosines` gives another number
/// of them. Source: SemShareKV (arXiv 2509.24832), which pairs tokens by locality-sensitive hashing
/// of their embeddings. Different here: order counts, and only what stands between equal spans is
/// paired.
KVS_API std::vector<SourceSpan> add_fuzzy(std::span<const int32_t> target,
                                          std::span<const std::span<const int32_t>> donors,
                                          std::span<const SourceSpan> spans,
                                          const TokenCosines& cosines,
                                          const FuzzyOptions& options = {});

}  // namespace kvs
