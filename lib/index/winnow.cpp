#include "index/winnow.h"

#include <algorithm>

#include "base/kgram_hashes.h"

namespace kvs {
namespace {

// The last of the smallest hashes in [first, end).
size_t last_smallest(std::span<const uint64_t> hashes, size_t first, size_t end) {
  size_t best = first;
  for (size_t at = first + 1; at < end; ++at)
    if (hashes[at] <= hashes[best]) best = at;
  return best;
}

std::vector<size_t> kept_positions(std::span<const uint64_t> hashes) {
  std::vector<size_t> kept;
  if (hashes.empty()) return kept;
  const size_t window = std::min<size_t>(kWinnowWindow, hashes.size());
  kept.push_back(last_smallest(hashes, 0, window));
  for (size_t first = 1; first + window <= hashes.size(); ++first) {
    const size_t newest = first + window - 1;
    if (kept.back() < first)
      kept.push_back(last_smallest(hashes, first, first + window));
    else if (hashes[newest] < hashes[kept.back()])
      kept.push_back(newest);
  }
  return kept;
}

}  // namespace

std::vector<Fingerprint> winnow(std::span<const int32_t> tokens) {
  const std::vector<uint64_t> hashes = kgram_hashes(tokens, kWinnowGram);
  const std::vector<size_t> kept = kept_positions(hashes);
  std::vector<Fingerprint> fingerprints;
  fingerprints.reserve(kept.size());
  size_t first = 0;  // the first one also stands for what is before it
  for (size_t at = 0; at < kept.size(); ++at) {
    const size_t next = at + 1 < kept.size() ? kept[at + 1] : tokens.size();
    // The low half: the high one is small in every hash that was kept.
    fingerprints.push_back(
        {static_cast<uint32_t>(hashes[kept[at]]), static_cast<uint32_t>(next - first)});
    first = next;
  }
  return fingerprints;
}

}  // namespace kvs
