#include "kvs/engine.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/engine_impl.h"
#include "kvs/error.h"

namespace kvs {
namespace {

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

std::vector<ReuseDonor> Engine::Impl::candidates(const Task& task) {
  if (task.reuse.mode == ReuseMode::off || task.reuse.policy == Policy::full) return {};
  return donors.find({.tokens = task.tokens,
                      .tenant = task.tenant,
                      .conversation = task.conversation,
                      .owner = task.owner});
}

// What is computed in the background makes way first. That the backend has less memory than the
// pool may take comes out where it is reserved.
bool Engine::Impl::free_blocks(int64_t blocks, bool keep_candidates) {
  if (pool.blocks_left() < blocks) {
    exactifier.pause();
    give_up_early();
  }
  if (!donors.make_room(blocks, keep_candidates)) return false;
  return pool.reserve(blocks) || donors.make_room(blocks, keep_candidates);
}

// For what passes work in.
void Engine::Impl::release_memory() {
  exactifier.pause();
  give_up_early();
  donors.make_room(pool.max_blocks());
  pool.give_back();
}

}  // namespace kvs
