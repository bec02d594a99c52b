#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "kvs/donor_store.h"

namespace kvs {

/// Which of the things held in memory goes when room is needed, and which have been held too long.
///
/// Between owners: the one that holds the most gives, so that nobody loses anything to others while
/// it holds no more than an equal share. Among an owner's items: GreedyDual-Size-Frequency. An
/// item's priority is
///     clock + uses · cost / blocks,
/// the clock being the owner's: the priority of what went last. The lowest goes; so what is cheap
/// to make again, large, seldom used or unused for long goes first. Source: Cherkasova 1998,
/// "Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy" (HPL-98-69),
/// section 3.
///
/// An owner's limit counts beside that: what would exceed it takes the place of the owner's own
/// items, in the same order. Not thread-safe.
class EvictionOrder {
 public:
  using Item = int64_t;  ///< ascending with the time of adding, never given out twice

  struct Terms {
    std::string owner;
    double cost = 0;             ///< of making it again
    int64_t blocks = 1;          ///< that it refers to, at least 1; shared ones count at each item
    int64_t uses = 1;            ///< at least 1
    bool pinned = false;         ///< never given up, never too old
    double added = 0;            ///< time, in any unit
    std::function<void()> drop;  ///< gives it up; does not call back
  };

  Item add(Terms terms);
  /// Forgets an item that its owner has given up.
  void remove(Item item);

  /// It was used once more.
  void use(Item item);
  /// Look-up number `lookup` has pointed to it.
  void see(Item item, int64_t lookup) { entries_.at(item).seen = lookup; }
  void pin(Item item);

  bool pinned(Item item) const { return entries_.at(item).terms.pinned; }
  int64_t uses(Item item) const { return entries_.at(item).terms.uses; }
  int64_t pinned_blocks() const { return pinned_blocks_; }

  /// Drops one item that no look-up from number `lookup` on has pointed to; false where there is
  /// none.
  bool evict(int64_t lookup);

  /// What each of these owners may hold, in blocks, in place of all earlier limits; nothing goes
  /// yet.
  void set_limits(std::map<std::string, int64_t> blocks) { limits_ = std::move(blocks); }
  /// Whether so many blocks fit into the owner's limit beside what is pinned.
  bool may_hold(const std::string& owner, int64_t blocks) const;
  /// Drops the owner's items until so many blocks more fit into its limit; false where those that
  /// may go are not enough.
  bool make_room_for(const std::string& owner, int64_t blocks, int64_t lookup);
  /// Drops what owners hold beyond their limits.
  void trim(int64_t lookup);

  /// What was dropped since the start.
  const DonorEvictions& evictions() const { return evictions_; }

  /// Drops all items added before the given time.
  void expire(double before);

 private:
  struct Entry {
    Terms terms;
    double priority = 0;
    int64_t seen = 0;
  };
  struct Owner {
    double clock = 0;
    int64_t blocks = 0;
    int64_t pinned_blocks = 0;
    std::set<std::pair<double, Item>> queue;  // by priority; not the pinned ones
  };

  void count_pinned(Owner& owner, int64_t blocks);
  void enqueue(Item item, Entry& entry);
  void drop(Item item);
  bool evict_of(Owner& owner, int64_t lookup);

  Item next_ = 0;
  int64_t pinned_blocks_ = 0;
  std::map<Item, Entry> entries_;
  std::set<std::pair<double, Item>> by_age_;  // not the pinned ones
  std::map<std::string, Owner> owners_;
  std::map<std::string, int64_t> limits_;  // blocks
  DonorEvictions evictions_;
};

}  // namespace kvs
