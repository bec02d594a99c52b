#include "reuse/choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvs {
namespace {

// Indices in order of falling scores; equal ones keep their order.
std::vector<size_t> order_of(std::span<const double> scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  return order;
}

}  // namespace

std::vector<int64_t> kept_positions(std::span<const PlanSpan> spans) {
  std::vector<int64_t> positions;
  for (const PlanSpan& span : spans)
    for (int64_t row = 0; span.kept() && row < span.count; ++row)
      positions.push_back(span.first + row);
  return positions;
}

int64_t share_of(double share, int64_t count) {
  const double rows = std::ceil(share * static_cast<double>(count) - 1e-9);
  return std::clamp<int64_t>(static_cast<int64_t>(rows), 0, count);
}

int64_t share_of_kept(const SelectionContext& context) {
  const auto kept = static_cast<int64_t>(kept_positions(context.spans).size());
  return share_of(context.options.budget.value_or(ReuseOptions::kDefaultBudget), kept);
}

std::vector<double> values_at(std::span<const float> values, std::span<const int64_t> positions) {
  std::vector<double> picked(positions.size());
  std::transform(positions.begin(), positions.end(), picked.begin(),
                 [&](int64_t position) { return values[position]; });
  return picked;
}

std::vector<int64_t> highest(std::span<const int64_t> positions, std::span<const double> scores,
                             int64_t count) {
  return highest_windows(positions, scores, 1, count);
}

std::vector<int64_t> highest_windows(std::span<const int64_t> positions,
                                     std::span<const double> scores, int64_t window,
                                     int64_t count) {
  struct Window {
    size_t first, count;
  };
  std::vector<Window> windows;
  std::vector<double> means;
  for (size_t first = 0; first < positions.size();) {
    size_t end = first + 1;
    while (end < positions.size() && end - first < static_cast<size_t>(window) &&
           positions[end] == positions[end - 1] + 1)
      ++end;
    windows.push_back({first, end - first});
    means.push_back(std::accumulate(scores.begin() + first, scores.begin() + end, 0.0) /
                    static_cast<double>(end - first));
    first = end;
  }

  std::vector<int64_t> chosen;
  for (const size_t index : order_of(means)) {
    const auto left = count - static_cast<int64_t>(chosen.size());
    if (left <= 0) break;
    const auto first = positions.begin() + windows[index].first;
    const auto taken = std::min<int64_t>(left, static_cast<int64_t>(windows[index].count));
    chosen.insert(chosen.end(), first, first + taken);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<int64_t> last_kept(std::span<const PlanSpan> spans, int64_t count) {
  std::vector<int64_t> positions = kept_positions(spans);
  if (positions.empty()) return positions;
  const int64_t end = spans.back().first + spans.back().count;
  positions.erase(positions.begin(),
                  std::lower_bound(positions.begin(), positions.end(), end - count));
  return positions;
}

std::vector<double> expected_deviation(std::span<const PlanSpan> spans) {
  constexpr double kHalfway = 32, kRest = 0.1;
  std::vector<double> deviation;
  int64_t seam = 0;
  const PlanSpan* before = nullptr;
  for (const PlanSpan& span : spans) {
    if (!before || !before->goes_on_in(span)) seam = span.first;
    for (int64_t row = span.first; span.kept() && row < span.first + span.count; ++row)
      deviation.push_back(kRest + kHalfway / (kHalfway + static_cast<double>(row - seam)));
    before = &span;
  }
  return deviation;
}

std::vector<int64_t> query_positions(std::span<const PlanSpan> spans, int64_t most) {
  if (spans.empty()) return {};
  const int64_t end = spans.back().first + spans.back().count;
  int64_t first = end;
  for (auto span = spans.rbegin(); span != spans.rend() && !span->shared(); ++span)
    first = span->first;
  first = std::max(first, end - most);
  std::vector<int64_t> positions(end - first);
  std::iota(positions.begin(), positions.end(), first);
  return positions;
}

}  // namespace kvs
