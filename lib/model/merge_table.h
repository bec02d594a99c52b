#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// Which two neighbouring tokens become which one, and how soon: the lowest rank goes first.
class KVS_API MergeTable {
 public:
  static constexpr uint32_t kNever = UINT32_MAX;

  struct Merge {
    uint32_t rank = kNever;
    int32_t id = -1;
  };

  explicit MergeTable(size_t count = 0);

  /// A pair that is there already gets the new rank and result.
  void add(int32_t left, int32_t right, Merge merge);

  /// Rank kNever where the two do not merge.
  Merge find(int32_t left, int32_t right) const {
    const uint64_t key = key_of(left, right);
    size_t slot = slot_of(key);
    while (slots_[slot].key != key && slots_[slot].key != kEmpty) slot = (slot + 1) & mask_;
    return slots_[slot].merge;
  }

 private:
  static constexpr uint64_t kEmpty = UINT64_MAX;
  struct Slot {
    uint64_t key = kEmpty;
    Merge merge;
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t slot_of(uint64_t key) const { return (key * 0x9E3779B97F4A7C15U) >> shift_; }
  void grow();

  std::vector<Slot> slots_;  // open addressing; a power of two, at most half full
  size_t mask_ = 0;
  int shift_ = 0;
  size_t used_ = 0;
};

/// Working memory of merge_all.
struct MergeScratch {
  struct Link {
    int32_t previous;
    int32_t next;
  };
  std::vector<uint32_t> ranks;
  std::vector<int32_t> merged;
  std::vector<Link> links;
  std::vector<uint64_t> queue;
};

/// Merges neighbours in `tokens` in place until nothing merges: always the pair of the lowest rank,
/// of equals the leftmost. n log n steps for n tokens. Negative ids never merge.
/// Source: Sennrich et al. 2016, algorithm 1.
KVS_API void merge_all(const MergeTable& merges, std::vector<int32_t>& tokens,
                       MergeScratch& scratch);

}  // namespace kvs
