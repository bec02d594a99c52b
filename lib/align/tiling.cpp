#include "align/tiling.h"

#include <algorithm>
#include <bit>

#include "base/common_ends.h"
#include "base/kgram_hashes.h"

namespace kvs {
namespace {

constexpr int32_t kNone = -1;
// Places tried per k-gram. More finds longer runs in text that repeats itself, at more cost.
constexpr int kMaxPlaces = 16;

// Whether `run` says nothing that `other` does not say for the same target tokens.
bool inside(const Run& run, const Run& other) {
  return run.target_first >= other.target_first && run.target_end() <= other.target_end();
}

// Adds a run, keeping starts and ends ascending: what lies inside another run goes.
void add_maximal(const Run& run, std::vector<Run>& runs) {
  while (!runs.empty() && inside(runs.back(), run) && !inside(run, runs.back())) runs.pop_back();
  if (!runs.empty() && inside(run, runs.back())) return;
  auto place = runs.end();
  while (place != runs.begin() && (place - 1)->target_first > run.target_first) --place;
  runs.insert(place, run);
}

}  // namespace

TiledTarget::TiledTarget(std::span<const int32_t> tokens, int k)
    : tokens_(tokens),
      k_(k),
      hashes_(kgram_hashes(tokens, k)),
      bits_log2_(static_cast<int>(std::bit_width(16 * hashes_.size() + 64)) - 1),
      filter_((size_t{1} << bits_log2_) / 64) {
  for (const uint64_t hash : hashes_) {
    const uint64_t bit = hash >> (64 - bits_log2_);
    filter_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
}

DonorTiler::DonorTiler(const TiledTarget& target, std::span<const int32_t> donor, int32_t source)
    : target_(target), donor_(donor), source_(source) {
  const std::vector<uint64_t> hashes = kgram_hashes(donor, target.k());
  head_.assign(std::bit_ceil(2 * hashes.size() + 1), kNone);
  next_.resize(hashes.size());
  for (size_t at = hashes.size(); at-- > 0;) {
    if (!target.may_hold(hashes[at])) continue;
    int32_t& head = head_[hashes[at] & (head_.size() - 1)];
    next_[at] = head;
    head = static_cast<int32_t>(at);
  }
}

// The run through these two positions inside target [first, end); empty where their k-grams differ.
Run DonorTiler::run_at(int32_t target_at, int32_t donor_at, int32_t first, int32_t end) const {
  const auto tokens = target_.tokens();
  if (tokens[target_at] != donor_[donor_at]) return {};
  const auto forward = static_cast<int32_t>(
      common_prefix(tokens.subspan(target_at, end - target_at), donor_.subspan(donor_at)));
  if (forward < target_.k()) return {};
  const auto back = static_cast<int32_t>(
      common_suffix(tokens.subspan(first, target_at - first), donor_.first(donor_at)));
  return {target_at - back, donor_at - back, forward + back, source_};
}

// `in_order` is the donor position that follows the run before: tried first, so that it wins ties.
DonorTiler::Found DonorTiler::look_up(int32_t at, int32_t in_order, int32_t first,
                                      int32_t end) const {
  Found found;
  const auto try_place = [&](int32_t place) {
    const Run run = run_at(at, place, first, end);
    if (run.count > found.longest.count) found.longest = run;
    if (run.count > 0 && run.target_end() > found.furthest.target_end()) found.furthest = run;
  };
  if (in_order >= 0 && in_order < static_cast<int32_t>(donor_.size())) try_place(in_order);
  int32_t place = head_[target_.hash_at(at) & (head_.size() - 1)];
  for (int tried = 0; place != kNone && tried < kMaxPlaces; place = next_[place], ++tried)
    if (place != in_order) try_place(place);
  return found;
}

std::vector<Run> DonorTiler::find_runs(int32_t first, int32_t end, int32_t min_count) const {
  std::vector<Run> runs;
  const int k = target_.k();
  int32_t shift = 0;  // of the run before
  for (int32_t at = first; at + k <= end;) {
    const Found found = look_up(at, at - shift, first, end);
    if (found.longest.count >= min_count) add_maximal(found.longest, runs);
    if (found.furthest.count >= min_count) add_maximal(found.furthest, runs);
    if (found.furthest.count > 0) shift = found.furthest.shift();
    // Runs through this position are known, so later ones need not reach back to it.
    first = at + 1;
    // The last k - 1 tokens of a run may be the first of the next.
    at = std::max(at + 1, found.furthest.target_end() - k + 1);
  }
  return runs;
}

}  // namespace kvs
