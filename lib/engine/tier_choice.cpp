#include "engine/tier_choice.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "kvs/cover.h"

namespace kvs {
namespace {

constexpr int64_t kWorthBringing = 32;  // tokens
constexpr size_t kMost = 2;

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t size = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + size, b.begin()).first - a.begin();
}

std::vector<size_t> longest_prefix(std::span<const int32_t> prompt, TokenSpans at_hand,
                                   TokenSpans offered) {
  int64_t longest = 0;
  for (const auto& donor : at_hand) longest = std::max(longest, common_prefix(prompt, donor));
  longest += kWorthBringing - 1;
  std::vector<size_t> chosen;
  for (size_t index = 0; index < offered.size(); ++index) {
    const int64_t shared = common_prefix(prompt, offered[index]);
    if (shared <= longest) continue;
    longest = shared;
    chosen.assign(1, index);
  }
  return chosen;
}

int64_t covered(std::span<const SourceSpan> spans) {
  return std::accumulate(spans.begin(), spans.end(), int64_t{0},
                         [](int64_t sum, const SourceSpan& span) { return sum + span.count; });
}

}  // namespace

std::vector<size_t> choose_donors(std::span<const int32_t> prompt, TokenSpans at_hand,
                                  TokenSpans offered, const ReuseOptions& options) {
  if (offered.empty() || std::ssize(prompt) < options.min_tokens) return {};
  if (options.mode == ReuseMode::exact || options.policy == Policy::prefix)
    return longest_prefix(prompt, at_hand, offered);

  const CoverOptions how{.min_span = options.min_span};
  std::vector<std::span<const int32_t>> all(at_hand.begin(), at_hand.end());
  all.insert(all.end(), offered.begin(), offered.end());
  const std::vector<SourceSpan> spans = cover(prompt, all, how);
  if (covered(spans) - covered(cover(prompt, at_hand, how)) < kWorthBringing) return {};

  std::vector<int64_t> tokens(offered.size());
  for (const SourceSpan& span : spans)
    if (static_cast<size_t>(span.source) >= at_hand.size())
      tokens[span.source - at_hand.size()] += span.count;
  std::vector<size_t> chosen;
  for (size_t index = 0; index < offered.size(); ++index)
    if (tokens[index] >= kWorthBringing) chosen.push_back(index);
  std::ranges::stable_sort(chosen, std::ranges::greater(),
                           [&](size_t index) { return tokens[index]; });
  if (chosen.size() > kMost) chosen.erase(chosen.begin() + kMost, chosen.end());
  return chosen;
}

}  // namespace kvs
