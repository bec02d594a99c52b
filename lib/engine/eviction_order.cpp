#include "engine/eviction_order.h"

#include <algorithm>
#include <vector>

namespace kvs {

EvictionOrder::Item EvictionOrder::add(Terms terms) {
  const Item item = next_++;
  Entry& entry = entries_.emplace(item, Entry{.terms = std::move(terms)}).first->second;
  Owner& owner = owners_[entry.terms.owner];
  owner.blocks += entry.terms.blocks;
  if (entry.terms.pinned) {
    count_pinned(owner, entry.terms.blocks);
  } else {
    by_age_.emplace(entry.terms.added, item);
    enqueue(item, entry);
  }
  return item;
}

void EvictionOrder::count_pinned(Owner& owner, int64_t blocks) {
  owner.pinned_blocks += blocks;
  pinned_blocks_ += blocks;
}

void EvictionOrder::enqueue(Item item, Entry& entry) {
  Owner& owner = owners_.at(entry.terms.owner);
  const Terms& terms = entry.terms;
  entry.priority = owner.clock +
                   static_cast<double>(terms.uses) * terms.cost / static_cast<double>(terms.blocks);
  owner.queue.emplace(entry.priority, item);
}

void EvictionOrder::remove(Item item) {
  const auto at = entries_.find(item);
  const Entry& entry = at->second;
  const auto owner = owners_.find(entry.terms.owner);
  owner->second.blocks -= entry.terms.blocks;
  owner->second.queue.erase({entry.priority, item});
  by_age_.erase({entry.terms.added, item});
  if (entry.terms.pinned) count_pinned(owner->second, -entry.terms.blocks);
  if (owner->second.blocks == 0) owners_.erase(owner);
  entries_.erase(at);
}

void EvictionOrder::use(Item item) {
  Entry& entry = entries_.at(item);
  ++entry.terms.uses;
  if (entry.terms.pinned) return;
  owners_.at(entry.terms.owner).queue.erase({entry.priority, item});
  enqueue(item, entry);
}

void EvictionOrder::pin(Item item) {
  Entry& entry = entries_.at(item);
  if (entry.terms.pinned) return;
  entry.terms.pinned = true;
  Owner& owner = owners_.at(entry.terms.owner);
  count_pinned(owner, entry.terms.blocks);
  owner.queue.erase({entry.priority, item});
  by_age_.erase({entry.terms.added, item});
}

void EvictionOrder::drop(Item item) {
  const std::function<void()> drop = std::move(entries_.at(item).terms.drop);
  remove(item);
  drop();
}

bool EvictionOrder::evict_of(Owner& owner, int64_t lookup) {
  const auto last = std::find_if(owner.queue.begin(), owner.queue.end(), [&](const auto& place) {
    return entries_.at(place.second).seen < lookup;
  });
  if (last == owner.queue.end()) return false;
  owner.clock = std::max(owner.clock, last->first);
  drop(last->second);
  return true;
}

bool EvictionOrder::evict(int64_t lookup) {
  std::vector<Owner*> largest_first;
  for (auto& [name, owner] : owners_) largest_first.push_back(&owner);
  std::stable_sort(largest_first.begin(), largest_first.end(),
                   [](const Owner* a, const Owner* b) { return a->blocks > b->blocks; });
  const bool found = std::any_of(largest_first.begin(), largest_first.end(),
                                 [&](Owner* owner) { return evict_of(*owner, lookup); });
  evictions_.room += found ? 1 : 0;
  return found;
}

bool EvictionOrder::may_hold(const std::string& owner, int64_t blocks) const {
  const auto limit = limits_.find(owner);
  if (limit == limits_.end()) return true;
  const auto held = owners_.find(owner);
  return blocks + (held == owners_.end() ? 0 : held->second.pinned_blocks) <= limit->second;
}

// The owner is looked up each time: it goes with its last item.
bool EvictionOrder::make_room_for(const std::string& owner, int64_t blocks, int64_t lookup) {
  if (!may_hold(owner, blocks)) return false;
  const auto limit = limits_.find(owner);
  if (limit == limits_.end()) return true;
  for (auto held = owners_.find(owner); held != owners_.end(); held = owners_.find(owner)) {
    if (held->second.blocks + blocks <= limit->second) break;
    if (!evict_of(held->second, lookup)) return false;
    ++evictions_.quota;
  }
  return true;
}

void EvictionOrder::trim(int64_t lookup) {
  for (const auto& [owner, blocks] : limits_) {
    auto held = owners_.find(owner);
    while (held != owners_.end() && held->second.blocks > blocks &&
           evict_of(held->second, lookup)) {
      ++evictions_.quota;
      held = owners_.find(owner);
    }
  }
}

void EvictionOrder::expire(double before) {
  while (!by_age_.empty() && by_age_.begin()->first < before) {
    drop(by_age_.begin()->second);
    ++evictions_.age;
  }
}

}  // namespace kvs
