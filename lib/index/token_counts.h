#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace kvs {

/// Sums per number, for sums that are read far more often than there are numbers.
class TokenCounts {
 public:
  TokenCounts() : entries_(256) {}

  /// True where the number is new.
  bool add(uint32_t number, uint32_t tokens) {
    if (2 * (used_ + 1) > entries_.size()) grow();
    Entry& entry = at(number);
    const bool is_new = entry.tokens == 0;
    used_ += is_new;
    entry.number = number;
    entry.tokens += tokens;
    return is_new;
  }

  uint32_t find(uint32_t number) const {
    return const_cast<TokenCounts*>(this)->at(number).tokens;  // only looks
  }

 private:
  struct Entry {
    uint32_t number = 0;
    uint32_t tokens = 0;  // 0: empty
  };

  Entry& at(uint32_t number) {
    const size_t mask = entries_.size() - 1;
    size_t slot = (number * uint64_t{0x9e3779b97f4a7c15u}) >> (64 - std::countr_zero(mask + 1));
    while (entries_[slot].tokens != 0 && entries_[slot].number != number) slot = (slot + 1) & mask;
    return entries_[slot];
  }

  void grow() {
    std::vector<Entry> old(2 * entries_.size());
    old.swap(entries_);
    for (const Entry& entry : old)
      if (entry.tokens != 0) at(entry.number) = entry;
  }

  std::vector<Entry> entries_;
  size_t used_ = 0;
};

}  // namespace kvs
