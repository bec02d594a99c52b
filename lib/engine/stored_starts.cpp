#include "engine/stored_starts.h"

#include <algorithm>

namespace kvs {
namespace {

// Fewer tokens in common are not worth a record of their own.
constexpr size_t kMinShared = 16;

Hash128 key_of(const Hash128& parent, std::span<const int32_t> tokens) {
  return Hasher().add(&parent, sizeof parent).add(tokens.first(kMinShared)).digest();
}

}  // namespace

int64_t StoredStarts::next_count(const Hash128& parent, std::span<const int32_t> tokens,
                                 int64_t most) const {
  const int64_t all = std::min(most, std::ssize(tokens));
  if (tokens.size() < kMinShared) return all;
  const auto found = starts_.find(key_of(parent, tokens));
  if (found == starts_.end()) return all;
  int64_t whole = 0, common = 0;
  for (const std::vector<int32_t>& text : found->second) {
    const auto parted = std::mismatch(text.begin(), text.end(), tokens.begin(), tokens.end());
    const int64_t same = parted.first - text.begin();
    int64_t& longest = same == std::ssize(text) ? whole : common;
    longest = std::max(longest, std::min(same, all));
  }
  return whole > 0 ? whole : common;
}

void StoredStarts::add(const Hash128& parent, std::span<const int32_t> tokens) {
  if (tokens.size() < kMinShared) return;
  starts_[key_of(parent, tokens)].emplace_back(tokens.begin(), tokens.end());
}

}  // namespace kvs
