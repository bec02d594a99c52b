#include "kvs/cover.h"

#include <algorithm>
#include <limits>
#include <queue>

#include "align/run.h"
#include "align/select_runs.h"
#include "align/tiling.h"
#include "base/common_ends.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Tokens = std::span<const int32_t>;

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();

// What a donor would save, as measured when `donors_chosen` others were in use. Savings only shrink
// as donors are added, mostly, so the stale figure is an upper bound (lazy greedy, Minoux 1978).
struct Offer {
  int64_t saving = 0;
  int32_t donor = 0;
  size_t donors_chosen = 0;

  bool operator<(const Offer& other) const {
    return saving != other.saving ? saving < other.saving : donor > other.donor;
  }
};

class Coverer {
 public:
  Coverer(Tokens target, std::span<const Tokens> donors, const CoverOptions& options)
      : target_(target),
        options_(options),
        costs_{static_cast<int32_t>(std::clamp<int64_t>(options.min_span, kMinAnchor, kMaxTokens)),
               options.span_cost},
        end_(static_cast<int32_t>(target.size())) {
    for (const Tokens donor : donors)
      prefixes_.push_back(static_cast<int32_t>(common_prefix(target, donor)));
    for (const int32_t prefix : prefixes_) prefix_ = std::max(prefix_, prefix);
    runs_.resize(donors.size());
    if (end_ - prefix_ < costs_.min_span) return;
    const TiledTarget tiled(target, std::min(costs_.min_span, kMaxAnchor));
    for (size_t donor = 0; donor < donors.size(); ++donor)
      runs_[donor] = DonorTiler(tiled, donors[donor], static_cast<int32_t>(donor))
                         .find_runs(prefix_, end_, costs_.min_span);
  }

  std::vector<SourceSpan> solve() {
    if (prefix_ >= costs_.min_span) choose(prefix_donor());
    choose_donors();
    // The search compared each donor with the parts taken so far; now all runs compete at once.
    std::vector<Run> runs;
    for (const int32_t donor : chosen_) runs = merged(runs, runs_[donor]);
    selected_ = select_runs(runs, prefix_, end_, costs_);

    std::vector<SourceSpan> spans;
    if (prefix_ > 0) spans.push_back({0, prefix_, prefix_donor(), 0});
    for (const Run& part : selected_.parts) {
      SourceSpan* last = spans.empty() ? nullptr : &spans.back();
      if (last && last->source == part.source &&
          last->target_first + last->count == part.target_first &&
          last->donor_first + last->count == part.donor_first)
        last->count += part.count;
      else
        spans.push_back({part.target_first, part.count, part.source, part.donor_first});
    }
    return spans;
  }

 private:
  // The donor of the leading span: of those that share the longest prefix, one in use already.
  int32_t prefix_donor() const {
    for (const int32_t donor : chosen_)
      if (prefixes_[donor] == prefix_) return donor;
    return static_cast<int32_t>(std::find(prefixes_.begin(), prefixes_.end(), prefix_) -
                                prefixes_.begin());
  }

  static std::vector<Run> merged(const std::vector<Run>& a, const std::vector<Run>& b) {
    std::vector<Run> both(a.size() + b.size());
    std::merge(a.begin(), a.end(), b.begin(), b.end(), both.begin(),
               [](const Run& x, const Run& y) { return x.target_first < y.target_first; });
    return both;
  }

  Selection selection_with(int32_t donor) const {
    return select_runs(merged(selected_.parts, runs_[donor]), prefix_, end_, costs_);
  }

  void choose(int32_t donor) {
    selected_ = selection_with(donor);
    chosen_.push_back(donor);
  }

  void choose_donors() {
    if (chosen_.empty()) selected_.cost = end_ - prefix_;
    std::priority_queue<Offer> offers;
    for (size_t donor = 0; donor < runs_.size(); ++donor)
      if (!runs_[donor].empty()) offers.push({kMaxTokens, static_cast<int32_t>(donor), SIZE_MAX});
    while (!offers.empty()) {
      Offer best = offers.top();
      offers.pop();
      if (best.saving <= options_.donor_cost) break;
      if (best.donors_chosen == chosen_.size()) {
        choose(best.donor);
        continue;
      }
      if (std::find(chosen_.begin(), chosen_.end(), best.donor) != chosen_.end()) continue;
      const int64_t saving = selected_.cost - selection_with(best.donor).cost;
      offers.push({saving, best.donor, chosen_.size()});
    }
  }

  Tokens target_;
  CoverOptions options_;
  SelectCosts costs_;
  int32_t end_;
  int32_t prefix_ = 0;                  // longest of all donors
  std::vector<int32_t> prefixes_;       // per donor
  std::vector<std::vector<Run>> runs_;  // per donor, behind the prefix
  std::vector<int32_t> chosen_;         // donors in use
  Selection selected_;
};

void check(Tokens target, std::span<const Tokens> donors, const CoverOptions& options) {
  if (options.min_span < 1 || options.span_cost < 0 || options.donor_cost < 0)
    fail(ErrorKind::argument, "cover: min_span must be at least 1 and costs at least 0");
  size_t longest = target.size();
  for (const Tokens donor : donors) longest = std::max(longest, donor.size());
  if (longest > static_cast<size_t>(kMaxTokens))
    fail(ErrorKind::argument, "cover: {} tokens, expected at most {}", longest, kMaxTokens);
}

}  // namespace

std::vector<SourceSpan> cover(Tokens target, std::span<const Tokens> donors,
                              const CoverOptions& options) {
  check(target, donors, options);
  return Coverer(target, donors, options).solve();
}

}  // namespace kvs
