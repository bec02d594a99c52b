#include "kvs/fuzzy.h"

#include <algorithm>
#include <limits>

#include "kvs/error.h"

namespace kvs {
namespace {

using Tokens = std::span<const int32_t>;

constexpr size_t kMaxGapPairs = 65'536;
constexpr size_t kMaxPairs = 262'144;
constexpr double kNoPair = -std::numeric_limits<double>::infinity();

struct TokenPair {
  int64_t target;
  int64_t donor;
};

// The best pairing of two gaps: over all prefixes of both, what pairings are worth whose last step
// is a pair, and whose last step leaves a token out.
class GapPairing {
 public:
  // `worth`: of each pair, [targets, donors]; kNoPair where the two do not go together. `apart` is
  // what a run costs that touches neither end.
  GapPairing(std::vector<double> worth, size_t targets, size_t donors, double apart)
      : worth_(std::move(worth)),
        targets_(targets),
        donors_(donors),
        apart_(apart),
        paired_((targets + 1) * (donors + 1), kNoPair),
        skipped_(paired_) {
    paired_[0] = 0;  // the span before: a run that goes on from it costs nothing
    for (size_t t = 0; t <= targets; ++t)
      for (size_t d = 0; d <= donors; ++d) fill(t, d);
  }

  // Ascending.
  std::vector<TokenPair> pairs() const {
    std::vector<TokenPair> pairs;
    size_t t = targets_, d = donors_;
    // A run that goes into the span behind gets its cost back.
    bool at_pair = paired_[cell(t, d)] + apart_ >= skipped_[cell(t, d)];
    while (t > 0 || d > 0) {
      if (at_pair) {
        --t;
        --d;
        pairs.push_back({static_cast<int64_t>(t), static_cast<int64_t>(d)});
        at_pair = paired_[cell(t, d)] >= skipped_[cell(t, d)] - apart_;
        continue;
      }
      const double left = skipped_[cell(t, d)];
      const bool skips_target = t > 0 && best(t - 1, d) == left;
      skips_target ? --t : --d;
      at_pair = paired_[cell(t, d)] == left;
    }
    std::reverse(pairs.begin(), pairs.end());
    return pairs;
  }

 private:
  size_t cell(size_t t, size_t d) const { return t * (donors_ + 1) + d; }
  double best(size_t t, size_t d) const {
    return std::max(paired_[cell(t, d)], skipped_[cell(t, d)]);
  }

  void fill(size_t t, size_t d) {
    if (t > 0 && d > 0)
      paired_[cell(t, d)] =
          worth_[(t - 1) * donors_ + d - 1] +
          std::max(paired_[cell(t - 1, d - 1)], skipped_[cell(t - 1, d - 1)] - apart_);
    double& skipped = skipped_[cell(t, d)];
    if (t > 0) skipped = std::max(skipped, best(t - 1, d));
    if (d > 0) skipped = std::max(skipped, best(t, d - 1));
  }

  std::vector<double> worth_;
  size_t targets_, donors_;
  double apart_;
  std::vector<double> paired_, skipped_;  // [targets + 1, donors + 1]
};

class FuzzyCover {
 public:
  FuzzyCover(Tokens target, std::span<const Tokens> donors, const TokenCosines& cosines,
             const FuzzyOptions& options)
      : target_(target), donors_(donors), cosines_(cosines), options_(options) {}

  std::vector<SourceSpan> fill(std::span<const SourceSpan> spans) {
    for (size_t at = 0; at < spans.size(); ++at) {
      if (at > 0) fill_gap(spans[at - 1], spans[at]);
      append(spans[at]);
    }
    return std::move(filled_);
  }

 private:
  void fill_gap(const SourceSpan& before, const SourceSpan& after) {
    const int64_t target_first = before.target_first + before.count;
    const int64_t donor_first = before.donor_first + before.count;
    if (before.source != after.source || after.target_first == target_first ||
        after.donor_first <= donor_first)
      return;
    const Tokens target = target_.subspan(target_first, after.target_first - target_first);
    const Tokens donor =
        donors_[after.source].subspan(donor_first, after.donor_first - donor_first);
    const size_t pairs = target.size() * donor.size();
    if (pairs > std::min(kMaxGapPairs, pairs_left_)) return;
    pairs_left_ -= pairs;
    const GapPairing pairing(worth_of(target, donor), target.size(), donor.size(),
                             static_cast<double>(options_.min_span));
    for (const TokenPair& pair : pairing.pairs())
      append({.target_first = target_first + pair.target,
              .count = 1,
              .source = after.source,
              .donor_first = donor_first + pair.donor,
              .fuzzy = target[pair.target] != donor[pair.donor]});
  }

  std::vector<double> worth_of(Tokens target, Tokens donor) const {
    const std::vector<float> cosines = cosines_(target, donor);
    if (cosines.size() != target.size() * donor.size())
      fail(ErrorKind::argument, "fuzzy: {} cosines of {} x {} tokens", cosines.size(),
           target.size(), donor.size());
    std::vector<double> worth(cosines.size(), kNoPair);
    for (size_t t = 0; t < target.size(); ++t)
      for (size_t d = 0; d < donor.size(); ++d) {
        const size_t pair = t * donor.size() + d;
        if (target[t] == donor[d]) worth[pair] = 1;
        if (target[t] != donor[d] && cosines[pair] >= options_.threshold)
          worth[pair] = cosines[pair];
      }
    return worth;
  }

  // Joins what goes on without a seam.
  void append(const SourceSpan& next) {
    if (!filled_.empty()) {
      SourceSpan& last = filled_.back();
      if (last.source == next.source && last.fuzzy == next.fuzzy &&
          last.target_first + last.count == next.target_first &&
          last.donor_first + last.count == next.donor_first) {
        last.count += next.count;
        return;
      }
    }
    filled_.push_back(next);
  }

  Tokens target_;
  std::span<const Tokens> donors_;
  const TokenCosines& cosines_;
  FuzzyOptions options_;
  size_t pairs_left_ = kMaxPairs;
  std::vector<SourceSpan> filled_;
};

}  // namespace

std::vector<SourceSpan> add_fuzzy(Tokens target, std::span<const Tokens> donors,
                                  std::span<const SourceSpan> spans, const TokenCosines& cosines,
                                  const FuzzyOptions& options) {
  return FuzzyCover(target, donors, cosines, options).fill(spans);
}

}  // namespace kvs
