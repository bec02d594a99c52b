#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_set>
#include <vector>

#include "kvs/vector_index.h"

namespace kvs {

/// Embeddings of donors that come and go: compared one by one below 10,000, in a graph (HNSW)
/// above. An index can neither shrink nor become another, so a new one grows beside it, some rows
/// with each change, and takes its place when it holds them all: no change waits for more than 16
/// rows. Not thread-safe.
class ResidentVectors {
 public:
  using Donor = uint32_t;

  struct Match {
    Donor donor = 0;
    float similarity = 0;  ///< cosine
  };

  /// embedding: [dims] of unit length, dims being that of the first one. A donor comes once.
  void add(Donor donor, std::span<const float> embedding);
  void remove(Donor donor);

  /// At most `limit`, the most similar first.
  std::vector<Match> search(std::span<const float> query, size_t limit) const;

  int64_t size() const { return static_cast<int64_t>(alive_.size()); }
  int64_t bytes() const;  ///< of vectors and links, without the allocator's overhead

 private:
  struct Index {
    std::unique_ptr<VectorIndex> rows;
    std::vector<Donor> donors;  // of each row; some are gone
  };
  static void append(Index& index, Donor donor, std::span<const float> embedding);
  void renew();
  void begin_renewal();

  Index current_, next_;
  int64_t copied_ = 0, to_copy_ = 0;  // rows of current_, into next_
  std::unordered_set<Donor> alive_;
};

}  // namespace kvs
