#include "kvs/engine.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/prompt_pass.h"
#include "kvs/error.h"
#include "kvs/guard.h"

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

// The donors' options, knowing what the model's rows cost: two operations a parameter and row, four
// an element of a query and attended key.
DonorStoreOptions of_model(DonorStoreOptions options, const Transformer& transformer,
                           const Tokenizer* tokenizer) {
  const ModelConfig& config = transformer.config();
  options.doubling_tokens = static_cast<double>(transformer.layer_parameters()) /
                            (2.0 * config.layers * config.heads * config.head_dim);
  if (tokenizer) options.bos = tokenizer->bos();
  return options;
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

Engine::Impl::Impl(Transformer& t, const Tokenizer* k, const EngineOptions& o)
    : transformer(t),
      tokenizer(k),
      options(o),
      pool(t.backend(), t.kv_layout(o.kv_type), o.max_blocks),
      donors(pool, of_model(o.donors, t, k)),
      exactifier(transformer, pool, donors, options),
      publisher(donors, exactifier, k ? k->bos() : std::nullopt) {}

Engine::Engine(Transformer& transformer, const Tokenizer* tokenizer, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(transformer, tokenizer, options)) {}

Engine::~Engine() = default;

DonorStore& Engine::donors() {
  return impl_->donors;
}
KvPool& Engine::pool() {
  return impl_->pool;
}
const EngineOptions& Engine::options() const {
  return impl_->options;
}

Exactify exactify_from_name(std::string_view name) {
  if (name == "off") return Exactify::off;
  if (name == "idle") return Exactify::idle;
  if (name == "always") return Exactify::always;
  fail(ErrorKind::argument, "when to exactify: expected off, idle or always, found {}", name);
}

void Engine::check(const Task& task) const {
  impl_->check(task);
}

void Engine::submit(Task task, std::function<void(Response)> done) {
  impl_->check(task);
  impl_->queue.push_back({std::move(task), std::move(done)});
}

void Engine::exactify(InexactText text) {
  impl_->exactifier.add(std::move(text));
}

bool Engine::exactify_step() {
  if (impl_->busy()) return false;
  try {
    return impl_->publisher.step() || impl_->exactifier.step();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory) throw;
    impl_->exactifier.give_up();  // nobody waits for it
    return true;
  }
}

int64_t Engine::preemptions() const {
  return impl_->preemptions;
}

const BackgroundWork& Engine::background() const {
  return impl_->exactifier.done();
}

std::vector<ForgottenDonors> Engine::forget(const DonorFilter& which) {
  impl_->publisher.forget(which);
  impl_->exactifier.forget(which);
  return impl_->donors.forget(which);
}

Response Engine::run(Task task) {
  std::optional<Response> response;
  submit(std::move(task), [&](Response done) { response = std::move(done); });
  while (!response) step();
  return *std::move(response);
}

ReusePlan Engine::plan(const Task& task) {
  return plan_reuse(task.tokens, impl_->candidates(task), task.reuse, impl_->options.cosines);
}

std::vector<std::vector<float>> Engine::continuation_logits(const LayeredView& prompt,
                                                            std::span<const int32_t> continuation) {
  const auto rows = static_cast<int64_t>(continuation.size());
  if (rows == 0) return {};
  impl_->donors.make_room(blocks_for(rows));
  LayeredView view = prompt;
  view.append_fresh(impl_->pool, rows, false);
  std::vector<int64_t> positions(rows);
  std::iota(positions.begin(), positions.end(), prompt.size());

  StepBatch batch;
  batch.add(view, positions, continuation, rows);
  impl_->run(batch.finish(), {});
  impl_->transformer.download_logits(rows, impl_->logits);
  std::vector<std::vector<float>> logits;
  const size_t vocab = impl_->transformer.config().vocab;
  for (int64_t row = 0; row < rows; ++row) {
    const auto first = impl_->logits.begin() + static_cast<int64_t>(row * vocab);
    logits.emplace_back(first, first + static_cast<int64_t>(vocab));
  }
  return logits;
}

void Engine::Impl::check(const Task& task) const {
  const auto tokens = static_cast<int64_t>(task.tokens.size());
  const int context = transformer.config().context;
  if (tokens == 0) fail(ErrorKind::argument, "request '{}': the prompt is empty", task.id);
  if (tokens > context || (tokens == context && task.max_tokens > 0))
    fail(ErrorKind::argument, "request '{}': the prompt has {} tokens, the model's context {}",
         task.id, tokens, context);
  if (blocks_for(tokens) > pool.max_blocks())
    fail(ErrorKind::argument, "request '{}': the prompt needs {} blocks of KV, the pool has {}",
         task.id, blocks_for(tokens), pool.max_blocks());
  for (const int32_t token : task.tokens)
    if (token < 0 || token >= transformer.config().vocab)
      fail(ErrorKind::argument, "request '{}': token {} is outside the vocabulary of {}", task.id,
           token, transformer.config().vocab);
  for (const int32_t token : task.forced)
    if (token < 0 || token >= transformer.config().vocab)
      fail(ErrorKind::argument, "request '{}': forced token {} is outside the vocabulary of {}",
           task.id, token, transformer.config().vocab);
}

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
      if (sequence.proceeds()) prepare(sequence);
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
    if (e.kind() == ErrorKind::memory && !active.empty()) {
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

std::vector<ReuseDonor> Engine::Impl::candidates(const Task& task) {
  if (task.reuse.mode == ReuseMode::off || task.reuse.policy == Policy::full) return {};
  return donors.find({.tokens = task.tokens,
                      .tenant = task.tenant,
                      .conversation = task.conversation,
                      .owner = task.owner});
}

// Brings the rows that the plan uses into memory. A donor whose rows cannot be had is returned.
std::optional<size_t> Engine::Impl::load(const ReusePlan& plan, std::span<ReuseDonor> used,
                                         std::vector<DonorPlace>& places) {
  places.assign(used.size(), {});
  for (size_t donor = 0; donor < used.size(); ++donor)
    if (const int64_t rows = plan.tokens_of(static_cast<int32_t>(donor)); rows > 0) {
      const std::optional<DonorPlace> place = donors.load(used[donor], rows);
      if (!place) return donor;
      places[donor] = *place;
    }
  return std::nullopt;
}

// Plans and loads; where rows cannot be had, it plans anew without them.
ReusePlan Engine::Impl::plan_over(Sequence& sequence, std::vector<ReuseDonor>& candidates) {
  const Task& task = sequence.task;
  for (;;) {
    auto start = Clock::now();
    ReusePlan plan = plan_reuse(task.tokens, candidates, task.reuse, options.cosines);
    sequence.report.plan_ms += ms_since(start);

    start = Clock::now();
    const std::optional<size_t> missing = load(plan, candidates, sequence.places);
    sequence.report.load_ms += ms_since(start);
    if (!missing) return plan;
    candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(*missing));
  }
}

// Finds donors, plans, loads, and builds the view; what is to be measured only gets ready for it.
void Engine::Impl::prepare(Sequence& sequence) {
  const Task& task = sequence.task;
  sequence.report.load_ms = sequence.ms_since_start();  // that rows took to come from a tier

  const auto begun = Clock::now();
  std::vector<ReuseDonor> candidates = this->candidates(task);
  sequence.report.lookup_ms = ms_since(begun);
  const auto start = std::make_shared<PromptStart>();
  start->selector = make_selector(task.reuse.policy);
  start->plan = plan_over(sequence, candidates);
  if (!measures(*start->selector, task, start->plan)) {
    if (task.on_plan) task.on_plan(start->plan);
    start->used = held(start->plan, candidates, start->views);
    return begin(sequence, *start, {});
  }
  if (measuring) throw MustWait();
  if (task.on_plan) task.on_plan(start->plan);
  start->used = held(start->plan, candidates, start->views);
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

// What is computed in the background makes way first. That the backend has less memory than the
// pool may take comes out where it is reserved.
bool Engine::Impl::free_blocks(int64_t blocks, bool keep_candidates) {
  if (pool.blocks_left() < blocks) exactifier.pause();
  if (!donors.make_room(blocks, keep_candidates)) return false;
  return pool.reserve(blocks) || donors.make_room(blocks, keep_candidates);
}

// For what passes work in.
void Engine::Impl::release_memory() {
  exactifier.pause();
  donors.make_room(pool.max_blocks());
  pool.give_back();
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
