#include <algorithm>
#include <chrono>
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

constexpr int64_t kRowsAtOnce = 128;  // few, since a request that comes now waits for them

}  // namespace

// Behind the longest lossless prefix there is. Nothing where the prompt was edited in an archive:
// its pieces say which rows it keeps.
std::optional<EarlyStart> Engine::Impl::begin_early(const Task& task) {
  std::vector<ReuseDonor> found = candidates(task);
  if (std::ranges::any_of(found, [](const ReuseDonor& donor) { return donor.only_at >= 0; }))
    return std::nullopt;
  const ReuseOptions lossless{.mode = ReuseMode::exact, .policy = Policy::prefix};
  std::vector<DonorPlace> places;
  for (;;) {
    const ReusePlan plan = plan_reuse(task.tokens, found, lossless);
    if (!load_donors(plan, found, donors, places)) continue;
    EarlyStart early{.donor = task.id};
    KvView prefix;
    for (const PlanSpan& span : plan.spans) {
      if (span.kind != PlanSpan::Kind::exact) continue;
      const ReuseDonor& donor = found[span.donor];
      prefix.append_shared(*donor.view, span.donor_first, span.count, true);
      early.donor = donor.id;
      early.similarity = donor.similarity;
      early.place = places[span.donor];
    }
    early.first = prefix.size();
    early.view = LayeredView(std::move(prefix));
    return early;
  }
}

// One pass, if it is worth it, and there is room for the whole prompt besides; false where there is
// nothing to do but to wait.
bool Engine::Impl::compute_early(Queued& queued) {
  const Task& task = queued.task;
  const CostModel* costs = task.reuse.costs;
  const auto size = std::ssize(task.tokens);
  if (!costs || !queued.prefetch || !queued.may_begin_early) return false;
  const double spare = donors.ms_to_spare(*queued.prefetch);
  const int64_t next = queued.early ? queued.early->view.size() : 0;
  const auto count_behind = [&](int64_t first) {
    return std::min<int64_t>({size - 1 - first, kRowsAtOnce, options.rows_per_step});
  };
  if (count_behind(next) <= 0 || spare < costs->pass_ms(next, count_behind(next)) ||
      pool.blocks_left() < blocks_for(size))
    return false;
  try {
    if (!queued.early) queued.early = begin_early(task);
    queued.may_begin_early = queued.early && count_behind(queued.early->view.size()) > 0;
    if (!queued.may_begin_early) {
      queued.early.reset();
      return false;
    }
    EarlyStart& early = *queued.early;
    compute_early(task, early, count_behind(early.view.size()));
    const auto tokens = std::span(task.tokens).first(early.view.size());
    donors.begin_with(*queued.prefetch, tokens, early.view.top());
    if (early.view.size() == size - 1) queued.prefetch = Prefetch();  // nothing else would help
    return true;
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::device) throw;
    queued.early.reset();  // what is wrong is said when it begins
    queued.may_begin_early = false;
    return false;
  }
}

void Engine::Impl::compute_early(const Task& task, EarlyStart& early, int64_t count) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t first = early.view.size();
  early.view.append_fresh(pool, count, true);
  std::vector<int64_t> positions(count);
  std::iota(positions.begin(), positions.end(), first);
  StepBatch batch;
  batch.add(early.view, positions, std::span(task.tokens).subspan(first, count), false);
  run_batch(transformer, batch.finish(), options.kv_type, {}, [] {});
  transformer.backend().synchronize();
  early.ms +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

void Engine::Impl::give_up_early() {
  for (Queued& queued : queue) {
    if (!queued.early) continue;
    queued.early.reset();
    queued.may_begin_early = false;
  }
}

}  // namespace kvs
