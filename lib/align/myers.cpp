#include "align/myers.h"

#include <algorithm>

namespace kvs {
namespace {

// Longest path searched in one go; its trace takes this squared times 4 bytes.
constexpr int kMaxDistance = 512;

// One search from (0, 0). x counts target tokens, y donor tokens, diagonal = x - y; the reach of a
// diagonal is the largest x on it that `distance` edits can get to.
class Search {
 public:
  Search(std::span<const int32_t> target, std::span<const int32_t> donor)
      : target_(target),
        donor_(donor),
        target_size_(static_cast<int>(target.size())),
        donor_size_(static_cast<int>(donor.size())) {}

  // Searches until both ends are met, the budget is spent or the path is too long.
  void run(int64_t& budget) {
    while (!step(budget)) {
      if (distance_ == kMaxDistance || budget <= 0) break;
      ++distance_;
    }
  }

  int target_reached() const { return best_x_; }
  int donor_reached() const { return best_x_ - best_diagonal_; }

  // The runs of the best path, last first.
  std::vector<Run> runs() const {
    std::vector<Run> runs;
    int x = best_x_, diagonal = best_diagonal_;
    for (int distance = best_distance_; distance >= 0; --distance) {
      const bool down = distance > 0 && goes_down(distance, diagonal);
      const int from = distance == 0 ? 0 : start(distance, diagonal, down);
      if (x > from) runs.push_back({from, from - diagonal, x - from});
      if (distance == 0) break;
      diagonal += down ? 1 : -1;
      x = trace_at(distance - 1, diagonal);
    }
    return runs;
  }

 private:
  // Row d of the trace holds the diagonals -d, -d + 2, ..., d.
  int trace_at(int distance, int diagonal) const {
    return trace_[static_cast<size_t>(distance) * (distance + 1) / 2 + (diagonal + distance) / 2];
  }

  // Whether the path to this diagonal comes from the one above (a donor token dropped).
  bool goes_down(int distance, int diagonal) const {
    if (diagonal == -distance) return true;
    if (diagonal == distance) return false;
    return trace_at(distance - 1, diagonal - 1) < trace_at(distance - 1, diagonal + 1);
  }

  int start(int distance, int diagonal, bool down) const {
    return down ? trace_at(distance - 1, diagonal + 1) : trace_at(distance - 1, diagonal - 1) + 1;
  }

  // All diagonals of the current distance. True where the end of both sides is reached.
  bool step(int64_t& budget) {
    for (int diagonal = -distance_; diagonal <= distance_; diagonal += 2) {
      const bool down = distance_ > 0 && goes_down(distance_, diagonal);
      int x = distance_ == 0 ? 0 : start(distance_, diagonal, down);
      // Paths that left the rectangle stay in the trace, which must have no gaps.
      const int end = std::min(target_size_, donor_size_ + diagonal);
      const int from = x;
      while (x < end && target_[x] == donor_[x - diagonal]) ++x;
      budget -= 1 + x - from;
      trace_.push_back(x);
      if (x > target_size_ || x - diagonal > donor_size_ || 2 * x - diagonal <= furthest_) continue;
      furthest_ = 2 * x - diagonal;
      best_distance_ = distance_;
      best_x_ = x;
      best_diagonal_ = diagonal;
    }
    return furthest_ == target_size_ + donor_size_;
  }

  std::span<const int32_t> target_, donor_;
  int target_size_, donor_size_;
  std::vector<int> trace_;
  int distance_ = 0;
  int furthest_ = -1;  // tokens passed on both sides by the best path
  int best_distance_ = 0;
  int best_x_ = 0;
  int best_diagonal_ = 0;
};

}  // namespace

std::vector<Run> myers_runs(std::span<const int32_t> target, std::span<const int32_t> donor,
                            int64_t& budget) {
  std::vector<Run> runs;
  int32_t target_first = 0, donor_first = 0;
  while (budget > 0 && !target.empty() && !donor.empty()) {
    Search search(target, donor);
    search.run(budget);
    std::vector<Run> found = search.runs();
    for (auto run = found.rbegin(); run != found.rend(); ++run)
      runs.push_back(
          {run->target_first + target_first, run->donor_first + donor_first, run->count});
    target_first += search.target_reached();
    donor_first += search.donor_reached();
    target = target.subspan(search.target_reached());
    donor = donor.subspan(search.donor_reached());
  }
  return runs;
}

}  // namespace kvs
