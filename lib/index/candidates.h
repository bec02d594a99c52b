#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "index/index_data.h"
#include "kvs/donor_index.h"

namespace kvs {

struct Candidate {
  uint32_t donor = 0;
  double similarity = 0;
  int64_t matched = 0;
  bool by_embedding = false;

  FoundBy found_by() const {
    if (matched == 0) return FoundBy::embedding;
    return by_embedding ? FoundBy::both : FoundBy::fingerprints;
  }
};

/// Merges what fingerprints and embeddings find in the scopes that the query's tenant sees; see
/// DonorIndex::search. `vectors` is null where the query has no embedding. `usable` says whether a
/// donor may be named.
std::vector<Candidate> find_candidates(const IndexData& data, const ScopeVectors* vectors,
                                       const DonorQuery& query,
                                       const std::function<bool(uint32_t)>& usable);

/// Scales a vector to length 1. False where that is impossible: zero, infinite, not a number.
bool normalise(std::vector<float>& vector);

}  // namespace kvs
