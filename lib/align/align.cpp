#include "kvs/align.h"

#include <algorithm>
#include <limits>

#include "align/myers.h"
#include "align/patience.h"
#include "align/run.h"
#include "align/select_runs.h"
#include "align/tiling.h"
#include "base/common_ends.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Tokens = std::span<const int32_t>;

// A gap is split at its own unique k-grams again and again; what is left then goes to Myers.
constexpr int kMaxDepth = 16;
constexpr int64_t kMoveCost = 4;  // as CoverOptions::span_cost

// A part of both sides in which runs are sought.
struct Gap {
  int32_t target_first, target_end;
  int32_t donor_first, donor_end;
};

class Aligner {
 public:
  Aligner(Tokens target, Tokens donor, const AlignOptions& options)
      : target_(target),
        donor_(donor),
        min_span_(static_cast<int32_t>(std::min<int64_t>(options.min_span, kMaxTokens))),
        k_(std::clamp(min_span_, kMinAnchor, kMaxAnchor)),
        budget_(options.budget) {}

  static constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();

  /// The runs in the donor's order.
  std::vector<Run> find_kept() {
    fill({0, static_cast<int32_t>(target_.size()), 0, static_cast<int32_t>(donor_.size())}, 0);
    merge_touching();
    std::erase_if(runs_, [&](const Run& run) { return run.count < min_span_ && !is_prefix(run); });
    widen();
    return std::move(runs_);
  }

  /// What the donor has elsewhere for the target's tokens between the kept runs.
  std::vector<Run> find_moved(std::span<const Run> kept) const {
    std::vector<Run> moved;
    const SelectCosts costs{std::max(min_span_, kMinAnchor), kMoveCost};
    const TiledTarget target(target_, k_);
    const DonorTiler tiler(target, donor_, 0);
    int32_t first = 0;
    for (size_t next = 0; next <= kept.size(); ++next) {
      const bool last = next == kept.size();
      const int32_t end = last ? static_cast<int32_t>(target_.size()) : kept[next].target_first;
      const std::vector<Run> runs = tiler.find_runs(first, end, costs.min_span);
      if (!runs.empty()) {
        const Selection selection = select_runs(runs, first, end, costs);
        moved.insert(moved.end(), selection.parts.begin(), selection.parts.end());
      }
      if (!last) first = kept[next].target_end();
    }
    return moved;
  }

 private:
  static bool is_prefix(const Run& run) { return run.target_first == 0 && run.donor_first == 0; }

  Tokens target_of(const Gap& gap) const {
    return target_.subspan(gap.target_first, gap.target_end - gap.target_first);
  }
  Tokens donor_of(const Gap& gap) const {
    return donor_.subspan(gap.donor_first, gap.donor_end - gap.donor_first);
  }

  // Adds the runs inside the gap, ascending.
  void fill(Gap gap, int depth) {
    const auto prefix = static_cast<int32_t>(common_prefix(target_of(gap), donor_of(gap)));
    add({gap.target_first, gap.donor_first, prefix});
    gap.target_first += prefix;
    gap.donor_first += prefix;
    const auto suffix = static_cast<int32_t>(common_suffix(target_of(gap), donor_of(gap)));
    gap.target_end -= suffix;
    gap.donor_end -= suffix;
    fill_between(gap, depth);
    add({gap.target_end, gap.donor_end, suffix});
  }

  void fill_between(const Gap& gap, int depth) {
    const int32_t shorter =
        std::min(gap.target_end - gap.target_first, gap.donor_end - gap.donor_first);
    if (shorter < min_span_ || shorter == 0) return;
    const Anchors anchors = patience_anchors(target_of(gap), donor_of(gap), k_);
    if (anchors.runs.empty() || depth == kMaxDepth) {
      // Without a k-gram in common no run can be min_span long, unless that is less than k.
      if (anchors.any_common || min_span_ < k_) search(gap);
      return;
    }
    Gap before = gap;
    for (const Run& anchor : anchors.runs) {
      const Run run{anchor.target_first + gap.target_first, anchor.donor_first + gap.donor_first,
                    anchor.count};
      before.target_end = run.target_first;
      before.donor_end = run.donor_first;
      fill(before, depth + 1);
      add(run);
      before.target_first = run.target_end();
      before.donor_first = run.donor_end();
    }
    before.target_end = gap.target_end;
    before.donor_end = gap.donor_end;
    fill(before, depth + 1);
  }

  void search(const Gap& gap) {
    for (const Run& run : myers_runs(target_of(gap), donor_of(gap), budget_))
      add({run.target_first + gap.target_first, run.donor_first + gap.donor_first, run.count});
  }

  void add(const Run& run) {
    if (run.count > 0) runs_.push_back(run);
  }

  void merge_touching() {
    std::vector<Run> merged;
    for (const Run& run : runs_) {
      if (!merged.empty() && merged.back().target_end() == run.target_first &&
          merged.back().donor_end() == run.donor_first)
        merged.back().count += run.count;
      else
        merged.push_back(run);
    }
    runs_ = std::move(merged);
  }

  // Dropping the short runs frees tokens that their neighbours may take.
  void widen() {
    for (size_t at = 0; at < runs_.size(); ++at) {
      Run& run = runs_[at];
      const Run before = at == 0 ? Run{} : runs_[at - 1];
      const Run after = at + 1 == runs_.size() ? Run{static_cast<int32_t>(target_.size()),
                                                     static_cast<int32_t>(donor_.size())}
                                               : runs_[at + 1];
      const Gap left{before.target_end(), run.target_first, before.donor_end(), run.donor_first};
      const auto back = static_cast<int32_t>(common_suffix(target_of(left), donor_of(left)));
      const Gap right{run.target_end(), after.target_first, run.donor_end(), after.donor_first};
      const auto ahead = static_cast<int32_t>(common_prefix(target_of(right), donor_of(right)));
      run = {run.target_first - back, run.donor_first - back, run.count + back + ahead};
    }
    merge_touching();
  }

  Tokens target_, donor_;
  int32_t min_span_;
  int k_;
  int64_t budget_;
  std::vector<Run> runs_;
};

void check(Tokens target, Tokens donor, const AlignOptions& options) {
  if (options.min_span < 1)
    fail(ErrorKind::argument, "align: min_span must be at least 1, found {}", options.min_span);
  if (std::max(target.size(), donor.size()) > static_cast<size_t>(Aligner::kMaxTokens))
    fail(ErrorKind::argument, "align: {} and {} tokens, expected at most {}", target.size(),
         donor.size(), Aligner::kMaxTokens);
}

}  // namespace

EditScript align(Tokens target, Tokens donor, const AlignOptions& options) {
  check(target, donor, options);
  Aligner aligner(target, donor, options);
  const std::vector<Run> kept = aligner.find_kept();
  const std::vector<Run> moved = options.moves ? aligner.find_moved(kept) : std::vector<Run>{};

  std::vector<Run> runs(kept.size() + moved.size());
  std::merge(kept.begin(), kept.end(), moved.begin(), moved.end(), runs.begin(),
             [](const Run& a, const Run& b) { return a.target_first < b.target_first; });
  std::vector<SourceSpan> spans;
  spans.reserve(runs.size());
  for (const Run& run : runs) spans.push_back({run.target_first, run.count, 0, run.donor_first});
  const auto donor_tokens = static_cast<int64_t>(donor.size());
  return make_script(target, {&donor_tokens, 1}, spans);
}

}  // namespace kvs
