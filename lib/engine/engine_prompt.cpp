#include <chrono>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/load_donors.h"
#include "engine/prompt_pass.h"
#include "kvs/error.h"
#include "kvs/guard.h"

// How tasks are taken from the queue, and how their prompts begin.
namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

// Thrown between two passes of a prompt that nobody wants any more.
struct Unwanted {};

// Thrown where a prompt is to be measured while another one is.
struct MustWait {};

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What the task asked for, and what the plan decided.
ReuseOptions options_behind(const Task& task, const ReusePlan& plan) {
  ReuseOptions options = task.reuse;
  const bool asks = options.policy == Policy::kvshare && !options.budget && !plan.sure;
  if (!asks) options.guard = nullptr;
  options.budget = plan.budget;
  return options;
}

bool measures(const Selector& selector, const Task& task, const ReusePlan& plan) {
  const ReuseOptions options = options_behind(task, plan);
  return plan.kept() > 0 && selector.measures({task.tokens, plan.spans, options});
}

// The donors with views of their own, where the plan uses them: making room for the prompt, and
// others' steps, may let the store give them up.
std::vector<ReuseDonor> held(const ReusePlan& plan, std::span<const ReuseDonor> donors,
                             std::vector<KvView>& views) {
  std::vector<ReuseDonor> own(donors.begin(), donors.end());
  views.reserve(own.size());
  for (size_t donor = 0; donor < own.size(); ++donor) {
    const bool used = plan.tokens_of(static_cast<int32_t>(donor)) > 0;
    if (used) views.push_back(*own[donor].view);
    own[donor].view = used ? &views.back() : nullptr;
    own[donor].tokens = {};
  }
  return own;
}

}  // namespace

Prefetch Engine::Impl::prefetch(const Task& task) {
  if (task.reuse.mode == ReuseMode::off || task.reuse.policy == Policy::full) return {};
  try {
    return donors.prefetch({.tokens = task.tokens, .tenant = task.tenant, .owner = task.owner},
                           task.reuse);
  } catch (const Error&) {
    return {};  // what is wrong is said where donors are looked for
  }
}

// Rows in a tier come into memory first, while others are worked on.
bool Engine::Impl::ready(Queued& queued) {
  const Task& task = queued.task;
  if (!queued.prefetch) {
    queued.turn = Clock::now();
    queued.prefetch = prefetch(task);
  }
  if (const auto& early = queued.early) {
    const auto tokens = std::span(task.tokens).first(early->view.size());
    donors.begin_with(*queued.prefetch, tokens, early->view.top());
  }
  return (task.wanted && !task.wanted()) || !donors.arriving(*queued.prefetch);
}

void Engine::Impl::admit() {
  resume_preempted();
  for (size_t at = 0; at < queue.size() && preempted.empty();) {
    if (std::ssize(active) + std::ssize(measured) >= options.parallel) return;
    Queued& next = queue[at];
    const bool waits = !ready(next) || (next.measures && measuring);
    if (!waits && !has_room_for(std::ssize(next.task.tokens))) return;
    if (waits || !admit(next))
      ++at;
    else
      queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

// False where it has to wait, because it is to be measured, and another one is.
bool Engine::Impl::admit(Queued& queued) {
  Task& task = queued.task;
  const int64_t room = transformer.config().context - static_cast<int64_t>(task.tokens.size());
  task.max_tokens = std::min(task.max_tokens, room);
  Sequence& sequence =
      beginning.emplace_back(std::move(task), std::move(queued.done), tokenizer, queued.turn);
  try {
    const bool begun = attempt(sequence, [&] {
      if (sequence.proceeds()) prepare(sequence, queued.early);
    });
    std::list<Sequence>& home = !begun                          ? preempted
                                : measuring && measured.empty() ? measured
                                                                : active;
    home.splice(home.end(), beginning);
    return true;
  } catch (const MustWait&) {
    queued.task = std::move(sequence.task);
    queued.done = std::move(sequence.done_callback);
    queued.measures = true;
    beginning.clear();
    return false;
  }
}

// Works on a prompt's beginning. False where it lacked memory, and is to begin anew behind others.
bool Engine::Impl::attempt(Sequence& sequence, const std::function<void()>& work) {
  try {
    work();
  } catch (const Unwanted&) {  // it has ended
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::device) throw;  // others would fail like this one
    const bool others = !active.empty() || (!measured.empty() && &measured.front() != &sequence);
    if (e.kind() == ErrorKind::memory && others) {
      sequence.drop_rows();
      return false;
    }
    sequence.fail(e.what());
  }
  return true;
}

// Between the parts others are admitted and go on.
void Engine::Impl::go_on_measuring() {
  if (!measuring) return;
  bool more = false;
  const bool begun = attempt(measured.front(), [&] { more = measuring->resume(); });
  if (more) return;
  measuring.reset();
  measured_start.reset();
  std::list<Sequence>& home = begun ? active : preempted;
  home.splice(home.end(), measured);
}

// Plans and loads; where rows cannot be had, it plans anew without them.
ReusePlan Engine::Impl::plan_over(Sequence& sequence, std::vector<ReuseDonor>& candidates) {
  const Task& task = sequence.task;
  for (;;) {
    auto start = Clock::now();
    ReusePlan plan = plan_reuse(task.tokens, candidates, task.reuse, options.cosines);
    sequence.report.plan_ms += ms_since(start);

    start = Clock::now();
    const bool loaded = load_donors(plan, candidates, donors, sequence.places);
    sequence.report.load_ms += ms_since(start);
    if (loaded) return plan;
  }
}

// Finds donors, plans, loads, and builds the view; what is to be measured only gets ready for it.
void Engine::Impl::prepare(Sequence& sequence, std::optional<EarlyStart>& early) {
  const Task& task = sequence.task;
  // That rows took to come from a tier, and nobody computed.
  sequence.report.load_ms = sequence.ms_since_start() - (early ? early->ms : 0);

  const auto begun = Clock::now();
  std::vector<ReuseDonor> candidates = this->candidates(task);
  if (early) {
    const KvView& view = early->view.top();
    candidates.push_back({.id = early->donor,
                          .tokens = std::span(task.tokens).first(view.size()),
                          .exact_rows = view.size(),
                          .similarity = early->similarity,
                          .view = &view});
    sequence.early = {.first = early->first, .end = view.size()};
  }
  sequence.report.lookup_ms = ms_since(begun);
  const auto start = std::make_shared<PromptStart>();
  start->selector = make_selector(task.reuse.policy);
  start->plan = plan_over(sequence, candidates);
  if (early && !candidates.empty() && candidates.back().view == &early->view.top())
    sequence.places.back() = early->place;
  const bool in_parts = measures(*start->selector, task, start->plan);
  if (in_parts && measuring) throw MustWait();
  if (task.on_plan) task.on_plan(start->plan);
  start->used = held(start->plan, candidates, start->views);
  early.reset();  // what is used of it is held
  if (!in_parts) return begin(sequence, *start, {});
  measured_start = start;
  measuring.emplace(
      [this, &sequence, start](const Coroutine::Pause& pause) { begin(sequence, *start, pause); });
}

void Engine::Impl::begin(Sequence& sequence, PromptStart& start, const Coroutine::Pause& pause) {
  const Task& task = sequence.task;
  const auto go_without_donors = [&] {  // so that the prompt can be computed
    start.used.clear();
    start.views.clear();
    start.plan = plan_reuse(task.tokens, {}, task.reuse);
    free_blocks(blocks_for(task.tokens.size()));
  };
  if (!make_room_beside_donors(start.plan, measures(*start.selector, task, start.plan)))
    go_without_donors();
  try {
    begin_prompt(sequence, start, pause);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory || start.used.empty()) throw;
    release_memory();
    go_without_donors();
    begin_prompt(sequence, start, pause);
  }
  sequence.allow_repair(start.plan, transformer);
}

void Engine::Impl::begin_prompt(Sequence& sequence, PromptStart& start,
                                const Coroutine::Pause& pause) {
  KvView view = build_view(start.plan, start.used, pool);
  if (measures(*start.selector, sequence.task, start.plan))
    compute_measured(sequence, start, view, pause);
  else
    sequence.start(start.plan, start.used, std::move(view));
}

// For the rows to compute; rules that measure may compute all of them beside the kept ones.
bool Engine::Impl::make_room_beside_donors(const ReusePlan& plan, bool measures) {
  int64_t rows = 0;
  for (const PlanSpan& span : plan.spans)
    if (!span.shared() || (measures && span.kept())) rows += span.count;
  return free_blocks(blocks_for(rows), /*keep_candidates=*/true);
}

// Rules that measure decide between passes over the whole prompt, which has none of the others'
// steps: they go on between its chunks.
void Engine::Impl::compute_measured(Sequence& sequence, PromptStart& start, const KvView& kept,
                                    const Coroutine::Pause& pause) {
  const Task& task = sequence.task;
  ReusePlan& plan = start.plan;
  const ReuseOptions reuse = options_behind(task, plan);
  const auto between = [&] {
    pause();
    if (!sequence.proceeds()) throw Unwanted();
  };
  PromptPass pass(transformer, pool, task.tokens, plan, start.used, kept,
                  {.rows = options.rows_per_step, .between = between});
  pass.finish(start.selector->select_measured({task.tokens, plan.spans, reuse}, pass));

  const double all = static_cast<double>(task.tokens.size()) * transformer.config().layers;
  const double share = static_cast<double>(pass.rows_run()) / all;
  const std::vector<float> first_logits = pass.logits();
  mark_recomputed(plan, pass.mostly_computed());
  sequence.report.evidence = pass.evidence();
  if (reuse.guard) plan.budget = reuse.guard->budget_behind(pass.evidence());
  sequence.start_computed(plan, start.used, pass.view(), share);
  sequence.rows_computed();
  if (sequence.needs_logits()) sequence.accept(first_logits);
}

}  // namespace kvs
