#include "engine/donor_partition.h"

#include <iterator>
#include <utility>

#include "base/common_ends.h"

namespace kvs {
namespace {

constexpr size_t kMaxCandidates = 16;
constexpr size_t kMaxNear = 4;

// Whether `larger` can do what `donor` can. Its tokens begin with the donor's.
bool serves(const ResidentDonor& larger, const ResidentDonor& donor) {
  const int64_t rows = larger.view.exact_rows(), exact = donor.view.exact_rows();
  if (larger.tokens.size() == donor.tokens.size() && rows != exact) return rows > exact;
  const bool all_exact = exact == donor.view.size();
  return rows >= exact && (all_exact || larger.depth <= donor.depth);
}

}  // namespace

std::optional<DonorPartition::Key> DonorPartition::find_holder(const ResidentDonor& donor) const {
  const auto next = ordered_.lower_bound(donor.tokens);
  if (next == ordered_.end()) return std::nullopt;
  const bool begins = common_prefix(donor.tokens, next->first) == std::ssize(donor.tokens);
  if (begins && serves(donors_.at(next->second), donor)) return next->second;
  return std::nullopt;
}

std::optional<DonorPartition::Key> DonorPartition::find_needless(const ResidentDonor& donor) const {
  auto at = ordered_.upper_bound(donor.tokens);
  if (at == ordered_.begin()) return std::nullopt;
  --at;  // the same tokens, or what is in front of them
  const ResidentDonor& known = donors_.at(at->second);
  const bool begins = common_prefix(donor.tokens, known.tokens) == std::ssize(known.tokens);
  if (begins && serves(donor, known)) return at->second;
  return std::nullopt;
}

std::optional<DonorPartition::Key> DonorPartition::find_id(std::string_view id) const {
  for (const auto& [key, donor] : donors_)
    if (donor.id == id) return key;
  return std::nullopt;
}

DonorPartition::Key DonorPartition::add(ResidentDonor donor, std::span<const float> embedding) {
  const Key key = next_++;
  const ResidentDonor& kept = donors_.emplace(key, std::move(donor)).first->second;
  ordered_.emplace(kept.tokens, key);
  fingerprints_.add(key, kept.tokens);
  if (!embedding.empty()) vectors_.add(key, embedding);
  return key;
}

void DonorPartition::remove(Key key) {
  vectors_.remove(key);
  fingerprints_.remove(key);
  ordered_.erase(donors_.at(key).tokens);
  donors_.erase(key);
}

std::vector<DonorPartition::Key> DonorPartition::keys() const {
  std::vector<Key> keys;
  for (const auto& [key, donor] : donors_) keys.push_back(key);
  return keys;
}

std::vector<DonorPartition::Candidate> DonorPartition::find(std::span<const int32_t> tokens) const {
  std::vector<Candidate> found;
  const auto next = ordered_.lower_bound(tokens);
  int64_t longest = 0;
  const auto offer = [&](const auto& entry) {
    const int64_t shared = common_prefix(tokens, entry.first);
    if (shared <= longest) return;
    longest = shared;
    found.assign(1, {.key = entry.second, .tokens = shared});
  };
  if (next != ordered_.end()) offer(*next);
  if (next != ordered_.begin()) offer(*std::prev(next));

  for (const FingerprintMatch& match : fingerprints_.search(tokens, kMaxCandidates)) {
    if (found.empty() || found.front().key != match.donor)
      found.push_back({.key = match.donor, .tokens = match.tokens});
    else
      found.front().tokens = std::max(found.front().tokens, match.tokens);
  }
  return found;
}

void DonorPartition::find_near(std::span<const float> embedding,
                               std::vector<Candidate>& found) const {
  for (const ResidentVectors::Match& match : vectors_.search(embedding, kMaxNear)) {
    const auto known = std::find_if(found.begin(), found.end(), [&](const Candidate& candidate) {
      return candidate.key == match.donor;
    });
    if (known == found.end())
      found.push_back({.key = match.donor, .similarity = match.similarity});
    else
      known->similarity = match.similarity;
  }
}

int64_t DonorPartition::index_bytes() const {
  constexpr int64_t kNodeBytes = 64;  // of a map's entry
  int64_t bytes =
      static_cast<int64_t>(sizeof(*this)) + fingerprints_.stats().bytes + vectors_.bytes();
  for (const auto& [key, donor] : donors_)
    bytes +=
        static_cast<int64_t>(4 * donor.tokens.size() + donor.id.size() + sizeof(ResidentDonor) +
                             donor.view.segments().size() * (sizeof(Segment) + 8)) +
        2 * kNodeBytes;
  return bytes;
}

}  // namespace kvs
