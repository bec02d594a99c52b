#include "model/merge_table.h"

#include <algorithm>
#include <functional>

namespace kvs {
namespace {

// Above this, searching all ranks for the lowest takes longer than a queue.
constexpr size_t kShortWord = 48;

void merge_short(const MergeTable& merges, std::vector<int32_t>& tokens, MergeScratch& scratch) {
  std::vector<uint32_t>& ranks = scratch.ranks;  // of token and its right neighbour
  std::vector<int32_t>& merged = scratch.merged;
  size_t count = tokens.size();
  ranks.resize(count);
  merged.resize(count);
  const auto look_up = [&](size_t at) {
    const MergeTable::Merge merge = merges.find(tokens[at], tokens[at + 1]);
    ranks[at] = merge.rank;
    merged[at] = merge.id;
  };
  for (size_t at = 0; at + 1 < count; ++at) look_up(at);
  while (count > 1) {
    size_t best = 0;
    for (size_t at = 1; at + 1 < count; ++at)
      if (ranks[at] < ranks[best]) best = at;
    if (ranks[best] == MergeTable::kNever) break;
    tokens[best] = merged[best];
    --count;
    for (size_t at = best + 1; at < count; ++at) {
      tokens[at] = tokens[at + 1];
      ranks[at] = ranks[at + 1];
      merged[at] = merged[at + 1];
    }
    if (best > 0) look_up(best - 1);
    if (best + 1 < count) look_up(best);
  }
  tokens.resize(count);
}

// A doubly linked list of tokens and a queue of (rank, place). An entry whose pair has changed
// since is recognised by its rank.
class LongWord {
 public:
  LongWord(const MergeTable& merges, std::vector<int32_t>& tokens, MergeScratch& scratch)
      : merges_(merges), tokens_(tokens), links_(scratch.links), queue_(scratch.queue) {}

  void run() {
    const auto count = static_cast<int32_t>(tokens_.size());
    links_.resize(count);
    queue_.clear();
    for (int32_t at = 0; at < count; ++at) {
      links_[at] = {at - 1, at + 1 < count ? at + 1 : kEnd};
      push(at, false);
    }
    std::make_heap(queue_.begin(), queue_.end(), std::greater<>());
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
      const uint64_t entry = queue_.back();
      queue_.pop_back();
      merge_at(static_cast<int32_t>(entry & UINT32_MAX), static_cast<uint32_t>(entry >> 32));
    }
    compact();
  }

 private:
  static constexpr int32_t kEnd = -1;
  static constexpr int32_t kGone = -2;  // as `previous` of a token that was merged away

  MergeTable::Merge merge_of(int32_t at) const {
    if (links_[at].next == kEnd) return {};
    return merges_.find(tokens_[at], tokens_[links_[at].next]);
  }

  void push(int32_t at, bool keep_order) {
    if (!keep_order && static_cast<size_t>(at) + 1 >= tokens_.size()) return;
    const MergeTable::Merge merge =
        keep_order ? merge_of(at) : merges_.find(tokens_[at], tokens_[at + 1]);
    if (merge.rank == MergeTable::kNever) return;
    queue_.push_back(uint64_t{merge.rank} << 32 | static_cast<uint32_t>(at));
    if (keep_order) std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
  }

  void merge_at(int32_t at, uint32_t rank) {
    if (links_[at].previous == kGone) return;
    const MergeTable::Merge merge = merge_of(at);
    if (merge.rank != rank) return;
    const int32_t right = links_[at].next;
    const int32_t next = links_[right].next;
    tokens_[at] = merge.id;
    links_[at].next = next;
    links_[right].previous = kGone;
    if (next != kEnd) links_[next].previous = at;
    if (links_[at].previous >= 0) push(links_[at].previous, true);
    push(at, true);
  }

  void compact() {
    size_t count = 0;
    for (size_t at = 0; at < tokens_.size(); ++at)
      if (links_[at].previous != kGone) tokens_[count++] = tokens_[at];
    tokens_.resize(count);
  }

  const MergeTable& merges_;
  std::vector<int32_t>& tokens_;
  std::vector<MergeScratch::Link>& links_;
  std::vector<uint64_t>& queue_;
};

}  // namespace

MergeTable::MergeTable(size_t count) {
  size_t slots = 16;
  while (slots < 2 * count) slots *= 2;
  slots_.resize(slots);
  mask_ = slots - 1;
  shift_ = 64 - __builtin_ctzll(slots);
}

void MergeTable::add(int32_t left, int32_t right, Merge merge) {
  if (2 * (used_ + 1) > slots_.size()) grow();
  const uint64_t key = key_of(left, right);
  size_t slot = slot_of(key);
  while (slots_[slot].key != key && slots_[slot].key != kEmpty) slot = (slot + 1) & mask_;
  used_ += slots_[slot].key == kEmpty ? 1 : 0;
  slots_[slot] = {key, merge};
}

void MergeTable::grow() {
  MergeTable larger(slots_.size());
  for (const Slot& slot : slots_) {
    if (slot.key == kEmpty) continue;
    size_t free = larger.slot_of(slot.key);
    while (larger.slots_[free].key != kEmpty) free = (free + 1) & larger.mask_;
    larger.slots_[free] = slot;
  }
  larger.used_ = used_;
  *this = std::move(larger);
}

void merge_all(const MergeTable& merges, std::vector<int32_t>& tokens, MergeScratch& scratch) {
  if (tokens.size() <= kShortWord)
    merge_short(merges, tokens, scratch);
  else
    LongWord(merges, tokens, scratch).run();
}

}  // namespace kvs
