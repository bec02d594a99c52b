#include "align/select_runs.h"

#include <algorithm>
#include <limits>

namespace kvs {
namespace {

constexpr int32_t kHole = -1;
constexpr int32_t kNever = std::numeric_limits<int32_t>::max();

// The best way to reach a position: over a hole, or along a run entered further left.
struct Arrival {
  int64_t cost = 0;
  int32_t run = kHole;
  int32_t entry = 0;
};

// A run that covers the current position, with its best entry so far.
struct ActiveRun {
  int32_t run;
  int32_t entry = 0;
  int64_t cost = std::numeric_limits<int64_t>::max();
};

class ShortestPath {
 public:
  ShortestPath(std::span<const Run> runs, int32_t first, int32_t end, const SelectCosts& costs)
      : runs_(runs), first_(first), costs_(costs), arrivals_(end - first + 1) {}

  Selection solve() {
    const int32_t end = first_ + static_cast<int32_t>(arrivals_.size()) - 1;
    for (int32_t at = first_ + 1; at <= end; ++at) {
      activate(at);
      arrival(at) = {arrival(at - 1).cost + 1, kHole, at - 1};
      for (ActiveRun& active : active_) follow(active, at);
      if (at >= next_end_) retire(at);
    }
    return {trace_back(end), arrivals_.back().cost};
  }

 private:
  Arrival& arrival(int32_t position) { return arrivals_[position - first_]; }

  void activate(int32_t at) {
    for (; next_ < runs_.size() && runs_[next_].target_first < at; ++next_) {
      active_.push_back({static_cast<int32_t>(next_)});
      next_end_ = std::min(next_end_, runs_[next_].target_end());
    }
  }

  void retire(int32_t at) {
    next_end_ = kNever;
    std::erase_if(active_, [&](const ActiveRun& active) {
      const int32_t end = runs_[active.run].target_end();
      if (end > at) next_end_ = std::min(next_end_, end);
      return end <= at;
    });
  }

  // Offers the position the way along a run. An entry counts once min_span tokens lie behind it.
  void follow(ActiveRun& active, int32_t at) {
    const int32_t entry = at - costs_.min_span;
    if (entry < runs_[active.run].target_first) return;
    const int64_t cost = arrival(entry).cost + costs_.span_cost;
    if (cost < active.cost) active = {active.run, entry, cost};
    if (active.cost < arrival(at).cost ||
        (active.cost == arrival(at).cost && arrival(at).run == kHole))
      arrival(at) = {active.cost, active.run, active.entry};
  }

  std::vector<Run> trace_back(int32_t at) {
    std::vector<Run> parts;
    while (at > first_) {
      const Arrival& here = arrival(at);
      if (here.run != kHole) {
        const Run& run = runs_[here.run];
        parts.push_back({here.entry, here.entry - run.shift(), at - here.entry, run.source});
      }
      at = here.entry;
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
  }

  std::span<const Run> runs_;
  int32_t first_;
  SelectCosts costs_;
  std::vector<Arrival> arrivals_;
  std::vector<ActiveRun> active_;
  size_t next_ = 0;            // first run not yet active
  int32_t next_end_ = kNever;  // where the first active run ends
};

}  // namespace

Selection select_runs(std::span<const Run> runs, int32_t first, int32_t end,
                      const SelectCosts& costs) {
  return ShortestPath(runs, first, end, costs).solve();
}

}  // namespace kvs
