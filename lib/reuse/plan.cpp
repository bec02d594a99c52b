#include <algorithm>
#include <cassert>

#include "base/common_ends.h"
#include "kvs/cost_model.h"
#include "kvs/cover.h"
#include "kvs/error.h"
#include "kvs/guard.h"
#include "kvs/reuse.h"
#include "kvs/selector.h"
#include "reuse/choice.h"

namespace kvs {
namespace {

using Kind = PlanSpan::Kind;

// Appends rows, joining them to the last span where they go on without a seam.
void append(std::vector<PlanSpan>& spans, const PlanSpan& next) {
  if (next.count == 0) return;
  if (!spans.empty()) {
    PlanSpan& last = spans.back();
    const bool same_source = last.donor == next.donor &&
                             (last.donor < 0 || last.donor_first + last.count == next.donor_first);
    if (last.kind == next.kind && same_source) {
      last.count += next.count;
      return;
    }
  }
  spans.push_back(next);
}

PlanSpan part(const PlanSpan& span, int64_t skip, int64_t count, Kind kind) {
  return {.kind = kind,
          .first = span.first + skip,
          .count = count,
          .donor = span.donor,
          .donor_first = span.donor < 0 ? 0 : span.donor_first + skip};
}

// The leading span is exact as far as the donor's own rows are.
void append_source(std::vector<PlanSpan>& spans, const SourceSpan& source,
                   std::span<const ReuseDonor> donors) {
  const PlanSpan whole{.kind = source.fuzzy ? Kind::fuzzy : Kind::shifted,
                       .first = source.target_first,
                       .count = source.count,
                       .donor = source.source,
                       .donor_first = source.donor_first};
  int64_t exact = 0;
  if (source.target_first == 0 && source.donor_first == 0 && !source.fuzzy)
    exact = std::min(source.count, donors[source.source].exact_rows);
  append(spans, part(whole, 0, exact, Kind::exact));
  append(spans, part(whole, exact, whole.count - exact, whole.kind));
}

std::vector<PlanSpan> tile(int64_t tokens, std::span<const SourceSpan> sources,
                           std::span<const ReuseDonor> donors) {
  std::vector<PlanSpan> spans;
  int64_t end = 0;
  for (const SourceSpan& source : sources) {
    append(spans, {.first = end, .count = source.target_first - end});
    append_source(spans, source, donors);
    end = source.target_first + source.count;
  }
  append(spans, {.first = end, .count = tokens - end});
  return spans;
}

// Only the longest lossless prefix.
std::vector<SourceSpan> prefix_source(std::span<const int32_t> tokens,
                                      std::span<const ReuseDonor> donors) {
  SourceSpan best;
  for (size_t donor = 0; donor < donors.size(); ++donor) {
    const int64_t count =
        std::min(common_prefix(tokens, donors[donor].tokens), donors[donor].exact_rows);
    if (count > best.count) best = {.count = count, .source = static_cast<int32_t>(donor)};
  }
  if (best.count == 0) return {};
  return {best};
}

// The lossless prefix stands in front, also where another donor goes on longer over approximate
// rows.
std::vector<SourceSpan> behind_prefix(std::vector<SourceSpan> sources, const SourceSpan& prefix,
                                      std::span<const ReuseDonor> donors) {
  const bool leads =
      !sources.empty() && sources[0].target_first == 0 && sources[0].donor_first == 0;
  const int64_t exact =
      leads ? std::min(sources[0].count, donors[sources[0].source].exact_rows) : 0;
  if (prefix.count <= exact) return sources;
  std::vector<SourceSpan> result{prefix};
  for (SourceSpan source : sources) {
    const int64_t skip = std::clamp<int64_t>(prefix.count - source.target_first, 0, source.count);
    source.target_first += skip;
    source.donor_first += skip;
    source.count -= skip;
    if (source.count > 0) result.push_back(source);
  }
  return result;
}

// A piece of an edited prompt, cut where its tokens begin or cease to be the prompt's.
void append_piece(std::vector<SourceSpan>& sources, std::span<const int32_t> tokens,
                  const ReuseDonor& piece, int32_t number) {
  const auto size = static_cast<int64_t>(piece.tokens.size());
  const auto differs = [&](int64_t row) {
    return piece.tokens[row] != tokens[piece.only_at + row];
  };
  for (int64_t first = 0, end = 0; first < size; first = end) {
    while (end < size && differs(end) == differs(first)) ++end;
    sources.push_back({.target_first = piece.only_at + first,
                       .count = end - first,
                       .source = number,
                       .donor_first = first,
                       .fuzzy = differs(first)});
  }
}

// What an edited prompt says of itself; `kvshare` takes no short pieces.
std::vector<SourceSpan> given_sources(std::span<const int32_t> tokens,
                                      std::span<const ReuseDonor> donors,
                                      const ReuseOptions& options) {
  const int64_t least = options.policy == Policy::kvshare ? options.least_span() : 0;
  std::vector<SourceSpan> sources;
  for (size_t donor = 0; donor < donors.size(); ++donor) {
    const ReuseDonor& piece = donors[donor];
    if (piece.only_at == 0 || (piece.only_at > 0 && std::ssize(piece.tokens) >= least))
      append_piece(sources, tokens, piece, static_cast<int32_t>(donor));
  }
  return sources;
}

bool is_piece(const ReuseDonor& donor) {
  return donor.only_at >= 0;
}

// A guard was not calibrated with fuzzy rows and cannot vouch for them.
bool guard_decides(const ReuseOptions& options) {
  return options.policy == Policy::kvshare && options.guard && !options.budget;
}

std::vector<SourceSpan> all_sources(std::span<const int32_t> tokens,
                                    std::span<const ReuseDonor> donors, const ReuseOptions& options,
                                    const TokenCosines& cosines) {
  if (std::ranges::any_of(donors, is_piece)) return given_sources(tokens, donors, options);
  std::vector<std::span<const int32_t>> donor_tokens;
  for (const ReuseDonor& donor : donors) donor_tokens.push_back(donor.tokens);
  auto sources = cover(tokens, donor_tokens, {.min_span = options.least_span()});
  for (const SourceSpan& prefix : prefix_source(tokens, donors))
    sources = behind_prefix(std::move(sources), prefix, donors);
  if (options.fuzzy == 0 || guard_decides(options)) return sources;
  if (!cosines) fail(ErrorKind::argument, "fuzzy reuse needs the embeddings of tokens");
  return add_fuzzy(tokens, donor_tokens, sources, cosines,
                   {.threshold = options.fuzzy, .min_span = options.least_span()});
}

// Turns chosen positions from kept into recomputed. `positions` ascend.
std::vector<PlanSpan> recompute(std::span<const PlanSpan> spans,
                                std::span<const int64_t> positions) {
  std::vector<PlanSpan> result;
  auto next = positions.begin();
  for (const PlanSpan& span : spans) {
    int64_t done = 0;
    for (; next != positions.end() && *next < span.first + span.count; ++next) {
      const int64_t row = *next - span.first;
      append(result, part(span, done, row - done, span.kind));
      append(result, part(span, row, 1, span.shared() ? Kind::recomputed : span.kind));
      done = row + 1;
    }
    append(result, part(span, done, span.count - done, span.kind));
  }
  return result;
}

ReuseReason reason_for(std::span<const int32_t> tokens, std::span<const ReuseDonor> donors,
                       const ReuseOptions& options) {
  if (options.mode == ReuseMode::off || options.policy == Policy::full) return ReuseReason::off;
  if (static_cast<int64_t>(tokens.size()) < options.min_tokens) return ReuseReason::too_short;
  return donors.empty() ? ReuseReason::no_donor : ReuseReason::none;
}

ReusePlan plan_sources(std::span<const int32_t> tokens, std::span<const ReuseDonor> donors,
                       const ReuseOptions& options, const TokenCosines& cosines) {
  ReusePlan plan;
  plan.reason = reason_for(tokens, donors, options);
  const auto size = static_cast<int64_t>(tokens.size());
  std::vector<SourceSpan> sources;
  if (plan.reason == ReuseReason::none) {
    const bool lossless = options.mode == ReuseMode::exact || options.policy == Policy::prefix;
    sources =
        lossless ? prefix_source(tokens, donors) : all_sources(tokens, donors, options, cosines);
    if (sources.empty())
      plan.reason = lossless ? ReuseReason::no_donor : ReuseReason::below_threshold;
  }

  plan.spans = tile(size, sources, donors);
  if (plan.kept() == 0) return plan;
  if (guard_decides(options)) {
    if (const auto choice = options.guard->budget_for(evidence_of(plan))) {
      plan.budget = choice->budget;
      plan.sure = choice->sure;
    }
  } else if (has_budget(options.policy)) {
    plan.budget = options.budget.value_or(ReuseOptions::kDefaultBudget);
  }
  return plan;
}

// Turns what the policy wants to be computed into such rows, and the last one, whose logits are
// needed. Where a guard decides, these are those of its smallest budget: what it knows was measured
// so, and it may come back to it. Returns how many rows a second pass will run: what is measured,
// and what asks.
int64_t select_rows(ReusePlan& plan, std::span<const int32_t> tokens, const ReuseOptions& options) {
  ReuseOptions with_budget = options;
  with_budget.budget = plan.budget;
  if (guard_decides(options) && plan.budget) with_budget.budget = options.guard->budgets().front();
  const auto selector = make_selector(options.policy);
  std::vector<int64_t> chosen = selector->select({tokens, plan.spans, with_budget});
  with_budget.budget = plan.budget;
  const auto size = static_cast<int64_t>(tokens.size());
  if (size > 0 && (chosen.empty() || chosen.back() != size - 1)) chosen.push_back(size - 1);
  plan.spans = recompute(plan.spans, chosen);
  const int64_t measured = selector->measured_rows({tokens, plan.spans, with_budget});
  return measured > 0 ? measured + std::ssize(query_positions(plan.spans, kQueryRows)) : 0;
}

ReusePlan plan_lossless(std::span<const int32_t> tokens, std::span<const ReuseDonor> donors,
                        const ReuseOptions& options, ReuseReason reason) {
  ReuseOptions lossless = options;
  lossless.policy = Policy::prefix;
  ReusePlan plan = plan_sources(tokens, donors, lossless, {});
  select_rows(plan, tokens, lossless);
  plan.reason = reason;
  return plan;
}

}  // namespace

int64_t ReusePlan::count(Kind kind) const {
  int64_t sum = 0;
  for (const PlanSpan& span : spans)
    if (span.kind == kind) sum += span.count;
  return sum;
}

int64_t ReusePlan::tokens_of(int32_t donor) const {
  int64_t sum = 0;
  for (const PlanSpan& span : spans)
    if (span.shared() && span.donor == donor) sum += span.count;
  return sum;
}

std::vector<int64_t> ReusePlan::rows_to_compute() const {
  std::vector<int64_t> rows;
  for (const PlanSpan& span : spans)
    for (int64_t row = 0; !span.shared() && row < span.count; ++row)
      rows.push_back(span.first + row);
  return rows;
}

ReusePlan plan_reuse(std::span<const int32_t> tokens, std::span<const ReuseDonor> donors,
                     const ReuseOptions& options, const TokenCosines& cosines) {
  ReusePlan plan = plan_sources(tokens, donors, options, cosines);
  const bool doubtful = options.policy == Policy::kvshare && plan.kept() > 0;
  if (doubtful && guard_decides(options) && (!plan.budget || plan.count(Kind::fuzzy) > 0))
    return plan_lossless(tokens, donors, options, ReuseReason::guard);
  const int64_t second_pass = select_rows(plan, tokens, options);
  if (doubtful && options.costs && plan.kept() > 0 &&
      !pays(*options.costs, plan, donors, second_pass))
    return plan_lossless(tokens, donors, options, ReuseReason::unprofitable);
  return plan;
}

void mark_recomputed(ReusePlan& plan, std::span<const int64_t> positions) {
  plan.spans = recompute(plan.spans, positions);
}

KvView build_view(const ReusePlan& plan, std::span<const ReuseDonor> donors, KvPool& pool) {
  KvView view;
  bool exact = true;  // so far
  for (const PlanSpan& span : plan.spans) {
    assert(span.first == view.size());
    exact = exact && !span.kept();
    if (span.shared())
      view.append_shared(*donors[span.donor].view, span.donor_first, span.count, exact);
    else
      view.append_fresh(pool, span.count, exact);
  }
  return view;
}

}  // namespace kvs
