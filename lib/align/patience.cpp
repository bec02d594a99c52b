#include "align/patience.h"

#include <algorithm>
#include <bit>

#include "base/common_ends.h"
#include "base/kgram_hashes.h"

namespace kvs {
namespace {

constexpr int32_t kAbsent = -1;
constexpr int32_t kRepeated = -2;

struct Occurrence {
  uint64_t hash = 0;
  int32_t target = kAbsent;
  int32_t donor = kAbsent;
};

// Where each k-gram of the target stands on either side, if it does so once.
class OccurrenceTable {
 public:
  OccurrenceTable(std::span<const uint64_t> target, std::span<const uint64_t> donor)
      : slots_(std::bit_ceil(2 * target.size() + 1)) {
    for (size_t at = 0; at < target.size(); ++at) {
      Occurrence& slot = slot_of(target[at]);
      slot.hash = target[at];
      slot.target = slot.target == kAbsent ? static_cast<int32_t>(at) : kRepeated;
    }
    for (size_t at = 0; at < donor.size(); ++at) {
      Occurrence& slot = slot_of(donor[at]);
      if (slot.target == kAbsent) continue;
      any_common_ = true;
      slot.donor = slot.donor == kAbsent ? static_cast<int32_t>(at) : kRepeated;
    }
  }

  const Occurrence& find(uint64_t hash) { return slot_of(hash); }
  bool any_common() const { return any_common_; }

 private:
  Occurrence& slot_of(uint64_t hash) {
    const size_t mask = slots_.size() - 1;
    size_t at = hash & mask;
    while (slots_[at].target != kAbsent && slots_[at].hash != hash) at = (at + 1) & mask;
    return slots_[at];
  }

  std::vector<Occurrence> slots_;  // a slot without target is empty; never more than half full
  bool any_common_ = false;
};

struct AnchorPair {
  int32_t target;
  int32_t donor;
};

// The longest subsequence whose donor positions ascend (patience sorting).
std::vector<AnchorPair> longest_chain(std::span<const AnchorPair> pairs) {
  std::vector<int32_t> tails;  // per chain length, the pair that ends it earliest
  std::vector<int32_t> previous(pairs.size());
  for (size_t at = 0; at < pairs.size(); ++at) {
    auto tail = tails.end();
    if (!tails.empty() && pairs[tails.back()].donor >= pairs[at].donor)
      tail = std::lower_bound(
          tails.begin(), tails.end(), pairs[at].donor,
          [&](int32_t index, int32_t donor) { return pairs[index].donor < donor; });
    previous[at] = tail == tails.begin() ? -1 : *(tail - 1);
    if (tail == tails.end())
      tails.push_back(static_cast<int32_t>(at));
    else
      *tail = static_cast<int32_t>(at);
  }
  std::vector<AnchorPair> chain;
  for (int32_t at = tails.empty() ? -1 : tails.back(); at >= 0; at = previous[at])
    chain.push_back(pairs[at]);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

std::vector<AnchorPair> unique_pairs(std::span<const int32_t> target,
                                     std::span<const int32_t> donor, int k, bool& any_common) {
  const std::vector<uint64_t> target_hashes = kgram_hashes(target, k);
  OccurrenceTable table(target_hashes, kgram_hashes(donor, k));
  any_common = table.any_common();
  std::vector<AnchorPair> pairs;
  for (size_t at = 0; any_common && at < target_hashes.size(); ++at) {
    const Occurrence& found = table.find(target_hashes[at]);
    if (found.target < 0 || found.donor < 0) continue;
    if (std::equal(&target[at], &target[at] + k, &donor[found.donor]))
      pairs.push_back({static_cast<int32_t>(at), found.donor});
  }
  return pairs;
}

}  // namespace

Anchors patience_anchors(std::span<const int32_t> target, std::span<const int32_t> donor, int k) {
  Anchors anchors;
  const std::vector<AnchorPair> chain =
      longest_chain(unique_pairs(target, donor, k, anchors.any_common));
  int32_t target_end = 0, donor_end = 0;  // of the run before
  for (const auto [at, at_donor] : chain) {
    if (at < target_end || at_donor < donor_end) continue;
    const auto left =
        static_cast<int32_t>(common_suffix(target.subspan(target_end, at - target_end),
                                           donor.subspan(donor_end, at_donor - donor_end)));
    const auto right =
        static_cast<int32_t>(common_prefix(target.subspan(at), donor.subspan(at_donor)));
    anchors.runs.push_back({at - left, at_donor - left, left + right});
    target_end = at + right;
    donor_end = at_donor + right;
  }
  return anchors;
}

}  // namespace kvs
