#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/edit_script.h"
#include "kvs/export.h"
#include "kvs/fuzzy.h"
#include "kvs/kv_view.h"

namespace kvs {

/// Which reuse is allowed at all.
enum class ReuseMode {
  off,     ///< every prompt is computed from its first token
  exact,   ///< lossless reuse only: a common prefix
  approx,  ///< also rows that stand elsewhere or behind other tokens, as the policy says
};

/// Which kept rows are computed all the same, and whether rows may be kept at all.
/// `naive` is KVShare v1 (arXiv 2503.16525) with a recompute ratio of 0; for the others see the
/// files of lib/reuse and kvs-policies(7).
enum class Policy { full, prefix, naive, epic, cacheblend, dhd, probe, kvshare };

/// Throws Error(argument), naming the ones there are, for an unknown name.
KVS_API Policy policy_from_name(std::string_view name);
KVS_API const char* policy_name(Policy policy);
/// Whether ReuseOptions::budget counts.
KVS_API bool has_budget(Policy policy);
KVS_API ReuseMode reuse_mode_from_name(std::string_view name);
KVS_API const char* reuse_mode_name(ReuseMode mode);

class Guard;
struct CostModel;

struct ReuseOptions {
  static constexpr double kDefaultBudget = 0.2;

  ReuseMode mode = ReuseMode::approx;
  Policy policy = Policy::kvshare;
  /// Share of the kept rows to compute anew, [0, 1], of rules with a budget. None: what the guard
  /// says under `kvshare`, where there is one; else kDefaultBudget.
  std::optional<double> budget;
  /// Share of the kept rows, at most, that `kvshare` computes by structure, before it measures. Of
  /// that share and of a budget, 0 apart, whatever is no more than halo + last rows stands for as
  /// many, or for as many, down to halo + last / 4, as leave less than a tenth of the prompt
  /// computed. The rest of a budget goes to windows.
  double structure = 0.01;
  int64_t sinks = 16;       ///< first tokens of each span that `epic` computes
  int64_t halo = 4;         ///< tokens right of each edit, and of moved spans, of `kvshare`
  int64_t wide_halo = 16;   ///< how wide these may grow where `kvshare` measures nothing more
  int64_t last = 16;        ///< last tokens of the prompt that `kvshare` computes
  int64_t window = 1;       ///< neighbours that `probe` and `kvshare` choose together
  bool evidence = false;    ///< `kvshare` measures also where nothing hangs on it: to calibrate
  int64_t repair_rows = 0;  ///< kept rows computed anew in each step of decoding, at most
  int64_t min_tokens = 16;  ///< shorter prompts reuse nothing
  /// Shorter matches are computed, a common prefix excepted. None: see least_span().
  std::optional<int64_t> min_span;
  /// Least cosine of the embeddings of two tokens, (0, 1], for a row to serve the other one; only
  /// inside edits, see kvs/fuzzy.h. 0: no row does.
  double fuzzy = 0;

  // Both may be null, and must outlive the tasks; of the rules only `kvshare` asks them.
  const CostModel* costs = nullptr;  ///< declines what would not pay; rather computes than waits
  const Guard* guard = nullptr;      ///< without a budget: says how much to compute, or declines

  /// min_span, or what suits the policy: `kvshare` takes no short runs, which say little more than
  /// what stood around them where they come from.
  int64_t least_span() const { return min_span.value_or(policy == Policy::kvshare ? 24 : 8); }
};

/// An earlier prompt whose rows may be reused. What it points to must outlive the plan's use.
struct ReuseDonor {
  std::string id;
  std::span<const int32_t> tokens;
  int64_t exact_rows = 0;        ///< rows in front of the first approximate one
  double similarity = 0;         ///< cosine of the embeddings; 0 where unknown
  const KvView* view = nullptr;  ///< its rows, at least tokens.size(); needed by build_view only
  int64_t number = -1;           ///< by which whoever found it knows it
  /// Its rows are meant for this very prompt from here on, and serve nothing else: a piece of an
  /// edited prompt (kvs-align --apply). Tokens that are not the prompt's are fuzzy. -1: a donor for
  /// any position.
  int64_t only_at = -1;
  /// How far its approximate rows are from exact ones: 1 where they were computed over (or stand
  /// behind) other prompts' exact rows, one more than the largest depth of what they were computed
  /// over else. 0 where all rows are exact. Counted for a whole prompt at once.
  int depth = 0;
  int64_t item = -1;  ///< its place in the memory of whoever holds it; -1: none yet
};

/// Why not more was reused. `none` where everything that could be was.
enum class ReuseReason { none, off, too_short, no_donor, below_threshold, unprofitable, guard };

/// As in a response's "reason"; "" for none.
KVS_API const char* reuse_reason_name(ReuseReason reason);

/// What happens to the rows [first, first + count) of a prompt.
struct PlanSpan {
  enum class Kind {
    exact,       ///< rows of a lossless prefix, shared
    shifted,     ///< a donor's rows as they were, shared, behind another context or elsewhere
    fuzzy,       ///< as shifted, and the rows stood for other tokens
    recomputed,  ///< had a source, computed all the same
    computed,    ///< had no source
  };
  Kind kind = Kind::computed;
  int64_t first = 0;
  int64_t count = 0;
  int32_t donor = -1;       ///< index; -1 where computed
  int64_t donor_first = 0;  ///< position at the donor

  bool shared() const { return kind == Kind::exact || kept(); }
  /// Shared, but not what the model would compute.
  bool kept() const { return kind == Kind::shifted || kind == Kind::fuzzy; }
  /// Whether the span behind it stands behind it in one donor too: there is no seam between them.
  bool goes_on_in(const PlanSpan& next) const {
    return donor >= 0 && donor == next.donor && donor_first + count == next.donor_first;
  }
};

/// How a prompt's rows come about. The spans tile the prompt in order.
struct KVS_API ReusePlan {
  std::vector<PlanSpan> spans;
  ReuseReason reason = ReuseReason::none;
  /// Of rules that have one: that of the options, the guard's, or the default.
  std::optional<double> budget;
  bool sure = false;  ///< the guard has no doubt; what is measured may not change its mind

  int64_t count(PlanSpan::Kind kind) const;
  int64_t kept() const { return count(PlanSpan::Kind::shifted) + count(PlanSpan::Kind::fuzzy); }
  /// Tokens taken from one donor as they were.
  int64_t tokens_of(int32_t donor) const;
  /// Positions to compute, ascending. Never empty for a prompt with tokens.
  std::vector<int64_t> rows_to_compute() const;
};

/// Aligns `tokens` with the donors and decides for every row. The last row is always computed,
/// since its logits are needed. Where there are pieces of an edited prompt, ascending, nothing is
/// aligned: they say which rows are kept; lossless reuse looks at all donors' prefixes. Under
/// `kvshare` the cost model and the guard may decline all but lossless reuse; where a guard
/// decides, no row is fuzzy, since it was not calibrated with such. Throws Error(argument) where
/// the options ask for fuzzy rows and there are no `cosines` to find them.
KVS_API ReusePlan plan_reuse(std::span<const int32_t> tokens, std::span<const ReuseDonor> donors,
                             const ReuseOptions& options, const TokenCosines& cosines = {});

/// Turns the kept rows at `positions`, ascending, into recomputed ones.
KVS_API void mark_recomputed(ReusePlan& plan, std::span<const int64_t> positions);

/// The view that the plan describes: kept rows share the donors' blocks, rows to compute are fresh.
/// Throws Error(memory) where the pool is full.
KVS_API KvView build_view(const ReusePlan& plan, std::span<const ReuseDonor> donors, KvPool& pool);

}  // namespace kvs
