#include "engine/donor_partition.h"

#include <iterator>
#include <utility>

namespace kvs {
namespace {

constexpr int kMaxCandidates = 16;

size_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t size = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + size, b.begin()).first - a.begin();
}

}  // namespace

void DonorPartition::add(ResidentDonor donor) {
  const auto next = ordered_.lower_bound(donor.tokens);
  if (next != ordered_.end() && common_prefix(donor.tokens, next->first) == donor.tokens.size()) {
    ResidentDonor& known = donors_.at(next->second);
    if (known.view.exact_rows() >= donor.view.exact_rows()) return;
    if (known.tokens.size() == donor.tokens.size()) {
      known.view = std::move(donor.view);
      return;
    }
  }
  // What the new one goes on from is of no use any more: a prompt, before it has its answer.
  if (next != ordered_.begin()) {
    const auto [tokens, key] = *std::prev(next);
    const ResidentDonor& known = donors_.at(key);
    if (common_prefix(donor.tokens, tokens) == tokens.size() &&
        donor.view.exact_rows() >= known.view.exact_rows())
      remove(key);
  }

  const Key key = next_++;
  const ResidentDonor& kept = donors_.emplace(key, std::move(donor)).first->second;
  ordered_.emplace(kept.tokens, key);
  fingerprints_.add(key, kept.tokens);
}

std::vector<DonorPartition::Key> DonorPartition::find(std::span<const int32_t> tokens) const {
  std::vector<Key> keys;
  const auto next = ordered_.lower_bound(tokens);
  size_t longest = 0;
  const auto offer = [&](const auto& entry) {
    const size_t shared = common_prefix(tokens, entry.first);
    if (shared <= longest) return;
    longest = shared;
    keys.assign(1, entry.second);
  };
  if (next != ordered_.end()) offer(*next);
  if (next != ordered_.begin()) offer(*std::prev(next));

  for (const FingerprintMatch& match : fingerprints_.search(tokens, kMaxCandidates))
    if (std::find(keys.begin(), keys.end(), match.donor) == keys.end()) keys.push_back(match.donor);
  return keys;
}

const ResidentDonor* DonorPartition::oldest(int64_t now, Key& key) const {
  const ResidentDonor* oldest = nullptr;
  for (const auto& [candidate, donor] : donors_) {
    if (donor.used >= now || (oldest && donor.used >= oldest->used)) continue;
    oldest = &donor;
    key = candidate;
  }
  return oldest;
}

void DonorPartition::remove(Key key) {
  fingerprints_.remove(key);
  ordered_.erase(donors_.at(key).tokens);
  donors_.erase(key);
}

}  // namespace kvs
