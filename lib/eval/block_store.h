#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>

namespace kvs {

/// A block of a prompt and what it costs to compute.
struct TraceBlock {
  int64_t hash = 0;
  double cost = 0;
};

/// A store of blocks that follow prefixes, simulated: which blocks it would hold, without any KV.
/// What goes first is always a leaf, a block that none other in the store continues, since a block
/// without those before it is of no use. Among leaves it is the one with the least priority,
/// clock + uses x cost, the clock being the priority of what went last; of equal ones the one used
/// longest ago. Without costs this is least recently used.
/// Source: Cherkasova 1998, "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency
/// Caching Policy" (HPL-98-69); all blocks have one size.
class BlockStore {
 public:
  /// Room for so many blocks; `weighted`: by cost.
  BlockStore(int64_t capacity, bool weighted) : capacity_(capacity), weighted_(weighted) {}

  /// A prompt: how many of its first blocks are there without a gap. Then all of them are, as far
  /// as there is room for them at all. Throws Error(format) where a block is known behind another
  /// one.
  int64_t replay(std::span<const TraceBlock> prompt);

  int64_t size() const { return static_cast<int64_t>(blocks_.size()); }

 private:
  using Hash = int64_t;

  struct Block {
    Hash parent = 0;
    bool has_parent = false;
    int64_t children = 0;
    int64_t uses = 0;
    int64_t used = 0;  // by which prompt last
    double priority = 0;
  };

  struct Leaf {
    double priority = 0;
    int64_t used = 0;
    Hash hash = 0;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means a 0 that the compiler writes
    auto operator<=>(const Leaf&) const = default;
  };

  static Leaf leaf_of(Hash hash, const Block& block) { return {block.priority, block.used, hash}; }
  int64_t find(std::span<const TraceBlock> prompt);
  bool make_room();

  int64_t capacity_;
  bool weighted_;
  int64_t prompts_ = 0;
  double clock_ = 0;
  std::unordered_map<Hash, Block> blocks_;
  std::set<Leaf> leaves_;  // but for the current prompt's
};

}  // namespace kvs
