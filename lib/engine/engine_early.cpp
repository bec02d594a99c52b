#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/load_donors.h"
#include "engine/run_batch.h"
#include "kvs/cost_model.h"
#include "kvs/error.h"

// What is done while rows are on their way from a tier and nobody else has anything to do: the
// prompt's first rows are computed, and the last ones come, until they meet. Source: Cake (arXiv
// 2410.03065), which splits by tokens too; there both go on whatever they cost, here a pass begins
// only where nothing is expected to come later for it.
namespace kvs {
namespace {

constexpr int64_t kRowsAtOnce = 128;

}  // namespace

// Behind the longest lossless prefix in memory.
EarlyStart Engine::Impl::begin_early(const Task& task) {
  std::vector<ReuseDonor> found = candidates(task);
  std::vector<DonorPlace> ignored;
  for (;;) {
    const ReusePlan plan =
        plan_reuse(task.tokens, found, {.mode = ReuseMode::exact, .policy = Policy::prefix});
    if (!load_donors(plan, found, donors, ignored)) continue;
    KvView prefix;
    for (const PlanSpan& span : plan.spans)
      if (span.kind == PlanSpan::Kind::exact)
        prefix.append_shared(*found[span.donor].view, span.donor_first, span.count, true);
    const int64_t rows = prefix.size();
    return {.view = LayeredView(std::move(prefix)), .first = rows};
  }
}

// One pass, if it is worth it; false where there is nothing to do but to wait.
bool Engine::Impl::compute_early(Queued& queued) {
  const Task& task = queued.task;
  const CostModel* costs = task.reuse.costs;
  if (!costs || !queued.prefetch || !queued.may_begin_early) return false;
  const double spare = donors.ms_to_spare(*queued.prefetch);
  if (spare <= costs->ms_per_pass) return false;
  try {
    if (!queued.early) queued.early = begin_early(task);
    LayeredView& view = queued.early->view;
    const int64_t first = view.size(), left = std::ssize(task.tokens) - 1 - first;
    const int64_t count = std::min<int64_t>({left, kRowsAtOnce, options.rows_per_step});
    if (count <= 0 || spare < costs->pass_ms(first, count)) return false;
    if (!free_blocks(blocks_for(count), /*keep_candidates=*/true))
      fail(ErrorKind::memory, "kv pool: no room for {} rows", count);
    view.append_fresh(pool, count, true);
    std::vector<int64_t> positions(count);
    std::iota(positions.begin(), positions.end(), first);
    const auto tokens = std::span(task.tokens).first(first + count);
    StepBatch batch;
    batch.add(view, positions, tokens.subspan(first), false);
    run_batch(transformer, batch.finish(), options.kv_type, {}, [] {});
    donors.begin_with(*queued.prefetch, tokens, view.top());
    if (count == left) queued.prefetch = Prefetch();  // nothing that comes could help
    return true;
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::device) throw;
    queued.early.reset();  // what is wrong is said when it begins
    queued.may_begin_early = false;
    return false;
  }
}

}  // namespace kvs
