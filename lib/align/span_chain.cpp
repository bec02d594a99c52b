#include "align/span_chain.h"

#include <algorithm>
#include <map>

namespace kvs {
namespace {

struct Best {
  int64_t weight = 0;
  int last = -1;  // the chain's last span
};

// Largest weight among the keys up to a bound (a Fenwick tree over the maximum).
class PrefixMaximum {
 public:
  explicit PrefixMaximum(size_t keys) : tree_(keys + 1) {}

  Best up_to(size_t keys) const {
    Best best;
    for (size_t at = keys; at > 0; at -= at & -at)
      if (tree_[at].weight > best.weight) best = tree_[at];
    return best;
  }

  void raise(size_t key, Best value) {
    for (size_t at = key + 1; at < tree_.size(); at += at & -at)
      if (value.weight > tree_[at].weight) tree_[at] = value;
  }

 private:
  std::vector<Best> tree_;
};

int64_t donor_end(const SourceSpan& span) {
  return span.donor_first + span.count;
}

void mark_chain(std::span<const SourceSpan> spans, std::span<const int> members,
                std::vector<bool>& in_chain) {
  const SourceSpan& first = spans[members.front()];
  const int64_t prefix = first.target_first == 0 && first.donor_first == 0 ? first.count : 0;
  std::vector<int64_t> ends;
  for (const int member : members) ends.push_back(donor_end(spans[member]));
  std::sort(ends.begin(), ends.end());

  PrefixMaximum chains(ends.size());
  std::vector<int> previous(spans.size(), -1);
  Best heaviest;
  for (const int member : members) {
    const SourceSpan& span = spans[member];
    if (span.donor_first < prefix && member != members.front()) continue;
    const auto keys = std::upper_bound(ends.begin(), ends.end(), span.donor_first) - ends.begin();
    const Best before = chains.up_to(keys);
    const Best chain{before.weight + span.count, member};
    previous[member] = before.last;
    const auto key = std::lower_bound(ends.begin(), ends.end(), donor_end(span)) - ends.begin();
    chains.raise(key, chain);
    if (chain.weight > heaviest.weight) heaviest = chain;
  }
  for (int at = heaviest.last; at >= 0; at = previous[at]) in_chain[at] = true;
}

}  // namespace

std::vector<bool> heaviest_chains(std::span<const SourceSpan> spans) {
  std::map<int32_t, std::vector<int>> by_donor;
  for (size_t at = 0; at < spans.size(); ++at)
    by_donor[spans[at].source].push_back(static_cast<int>(at));

  std::vector<bool> in_chain(spans.size());
  for (const auto& [donor, members] : by_donor) mark_chain(spans, members, in_chain);
  return in_chain;
}

}  // namespace kvs
