#pragma once

#include <span>
#include <vector>

#include "align/run.h"

namespace kvs {

/// A target and the hashes of its k-grams, which serve for any number of donors.
class TiledTarget {
 public:
  /// The tokens must outlive this.
  TiledTarget(std::span<const int32_t> tokens, int k);

  std::span<const int32_t> tokens() const { return tokens_; }
  int k() const { return k_; }
  uint64_t hash_at(int32_t position) const { return hashes_[position]; }

  /// False where no k-gram of the target has this hash; true for few others.
  bool may_hold(uint64_t hash) const {
    const uint64_t bit = hash >> (64 - bits_log2_);
    return (filter_[bit / 64] >> (bit % 64) & 1) != 0;
  }

 private:
  std::span<const int32_t> tokens_;
  int k_;
  std::vector<uint64_t> hashes_;
  int bits_log2_;
  std::vector<uint64_t> filter_;
};

/// Those k-grams of a donor that the target may have, for finding runs in it.
class DonorTiler {
 public:
  /// The target and the donor's tokens must outlive this.
  DonorTiler(const TiledTarget& target, std::span<const int32_t> donor, int32_t source);

  /// Runs of at least `min_count` tokens inside target [first, end), ascending by start. Wherever
  /// some run of at least k tokens crosses a target position, one that reaches about as far is
  /// among them, but in text that repeats itself without end: k-grams that the donor repeats often
  /// are tried at a few places only. O(end - first).
  std::vector<Run> find_runs(int32_t first, int32_t end, int32_t min_count) const;

 private:
  // The runs through one target position that are worth keeping.
  struct Found {
    Run furthest;  // to the right
    Run longest;
  };

  Found look_up(int32_t at, int32_t in_order, int32_t first, int32_t end) const;
  Run run_at(int32_t target_at, int32_t donor_at, int32_t first, int32_t end) const;

  const TiledTarget& target_;
  std::span<const int32_t> donor_;
  int32_t source_;
  std::vector<int32_t> head_;  // per bucket, the first position whose k-gram falls into it
  std::vector<int32_t> next_;  // the following position in the same bucket
};

}  // namespace kvs
