#include "eval/block_store.h"

#include <algorithm>

#include "kvs/error.h"

namespace kvs {

// The blocks found stay until the prompt is done: they are taken out of the leaves.
int64_t BlockStore::find(std::span<const TraceBlock> prompt) {
  int64_t found = 0;
  for (const TraceBlock& wanted : prompt) {
    const auto at = blocks_.find(wanted.hash);
    if (at == blocks_.end()) break;
    Block& block = at->second;
    const bool first = found == 0;
    if (block.used == prompts_ || block.has_parent == first ||
        (!first && block.parent != prompt[found - 1].hash))
      fail(ErrorKind::format, "hash {} stands behind different blocks", wanted.hash);
    if (block.children == 0) leaves_.erase(leaf_of(wanted.hash, block));
    block.used = prompts_;
    ++found;
  }
  return found;
}

bool BlockStore::make_room() {
  if (size() < capacity_) return true;
  if (leaves_.empty()) return false;
  const Leaf leaf = *leaves_.begin();
  leaves_.erase(leaves_.begin());
  clock_ = std::max(clock_, leaf.priority);
  const auto gone = blocks_.find(leaf.hash);
  if (gone->second.has_parent) {
    const Hash parent = gone->second.parent;
    Block& before = blocks_.at(parent);
    if (--before.children == 0 && before.used != prompts_) leaves_.insert(leaf_of(parent, before));
  }
  blocks_.erase(gone);
  return true;
}

int64_t BlockStore::replay(std::span<const TraceBlock> prompt) {
  ++prompts_;
  const int64_t found = find(prompt);
  size_t held = found;
  for (; held < prompt.size() && make_room(); ++held) {
    const Block block{
        .parent = held > 0 ? prompt[held - 1].hash : 0, .has_parent = held > 0, .used = prompts_};
    if (!blocks_.emplace(prompt[held].hash, block).second)
      fail(ErrorKind::format, "hash {} stands behind different blocks", prompt[held].hash);
    if (held > 0) ++blocks_.at(prompt[held - 1].hash).children;
  }
  for (const TraceBlock& part : prompt.first(held)) {
    Block& block = blocks_.at(part.hash);
    ++block.uses;
    if (weighted_) block.priority = clock_ + static_cast<double>(block.uses) * part.cost;
    if (block.children == 0) leaves_.insert(leaf_of(part.hash, block));
  }
  return found;
}

}  // namespace kvs
