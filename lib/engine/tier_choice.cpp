#include "engine/tier_choice.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "base/common_ends.h"
#include "kvs/cover.h"

namespace kvs {
namespace {

constexpr int64_t kWorthBringing = 32;  // tokens
constexpr size_t kMost = 2;

TierChoice longest_prefix(std::span<const int32_t> prompt, TokenSpans at_hand, TokenSpans offered) {
  int64_t at_hand_already = 0;
  for (const auto& donor : at_hand)
    at_hand_already = std::max(at_hand_already, common_prefix(prompt, donor));
  int64_t longest = at_hand_already + kWorthBringing - 1;
  TierChoice choice;
  for (size_t index = 0; index < offered.size(); ++index) {
    const int64_t shared = common_prefix(prompt, offered[index]);
    if (shared <= longest) continue;
    longest = shared;
    choice = {{index}, shared - at_hand_already};
  }
  return choice;
}

int64_t covered(std::span<const SourceSpan> spans) {
  return std::accumulate(spans.begin(), spans.end(), int64_t{0},
                         [](int64_t sum, const SourceSpan& span) { return sum + span.count; });
}

}  // namespace

TierChoice choose_donors(std::span<const int32_t> prompt, TokenSpans at_hand, TokenSpans offered,
                         const ReuseOptions& options) {
  if (offered.empty() || std::ssize(prompt) < options.min_tokens) return {};
  if (options.mode == ReuseMode::exact || options.policy == Policy::prefix)
    return longest_prefix(prompt, at_hand, offered);

  const CoverOptions how{.min_span = options.least_span()};
  std::vector<std::span<const int32_t>> all(at_hand.begin(), at_hand.end());
  all.insert(all.end(), offered.begin(), offered.end());
  const std::vector<SourceSpan> spans = cover(prompt, all, how);
  const int64_t more = covered(spans) - covered(cover(prompt, at_hand, how));
  if (more < kWorthBringing) return {};

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
  return {std::move(chosen), more};
}

}  // namespace kvs
