#include "eval/replay.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "kvs/divergence.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

Replay::Replay(Transformer& transformer, const Tokenizer* tokenizer, const EngineOptions& engine,
               const ReuseOptions& reuse, bool shared)
    : engine_(transformer, tokenizer, engine), reuse_(reuse), shared_(shared) {}

Task Replay::task_of(const WorkloadRequest& request) const {
  return {.id = request.request.id,
          .tokens = request.tokens,
          .tenant = shared_ ? request.group : request.request.tenant,
          .max_tokens = request.request.max_tokens,
          .reuse = reuse_,
          .store = false};
}

Outcome Replay::answer(Task task) {
  task.max_tokens = std::max<int64_t>(task.max_tokens, 1);
  Response response = engine_.run(std::move(task));
  if (response.finish_reason == "error")
    fail(ErrorKind::device, "request '{}' with policy {}: {}", response.id,
         policy_name(reuse_.policy), response.error);
  return {.reuse = std::move(response.reuse),
          .tokens = std::move(response.tokens),
          .text = std::move(response.text)};
}

Outcome Replay::run_full(const WorkloadRequest& request, FullRun& full) {
  Task task = task_of(request);
  task.stop = request.request.stop;
  full.logits.clear();
  task.on_logits = [&](int64_t step, std::span<const float> logits) {
    if (step < FullRun::kSteps) full.logits.emplace_back(logits.begin(), logits.end());
  };
  const auto start = Clock::now();
  Outcome outcome = answer(std::move(task));
  outcome.total_ms = ms_since(start);
  full.tokens = outcome.tokens;
  return outcome;
}

Outcome Replay::run(const WorkloadRequest& request, const FullRun& full) {
  KvView view;  // of the prompt; shares the blocks, so that they outlive the task
  Task task = task_of(request);
  task.stop = request.request.stop;
  task.on_prompt = [&](const KvView& prompt) { view = prompt; };
  auto start = Clock::now();
  Outcome outcome = answer(std::move(task));
  outcome.total_ms = ms_since(start);

  // Exact rows are compared as they are, instead of being computed again. Approximate ones are
  // never found by others, so the comparison makes them anew, before the prompt is a donor.
  const bool exact = view.exact_rows() == view.size();
  if (!exact) compare(request, reuse_, full, outcome);
  start = Clock::now();
  store(request, view);
  outcome.total_ms += ms_since(start);
  if (exact) {
    ReuseOptions prefix = reuse_;
    prefix.mode = ReuseMode::exact;
    prefix.policy = Policy::prefix;
    compare(request, prefix, full, outcome);
  }
  if (reuse_.policy == Policy::full)  // nobody will look for them
    engine_.donors().make_room(engine_.pool().max_blocks());
  return outcome;
}

void Replay::store(const WorkloadRequest& request, const KvView& view) {
  const Task task = task_of(request);
  engine_.donors().add(task.id, task.tenant, task.tokens, view);
}

void Replay::compare(const WorkloadRequest& request, const ReuseOptions& reuse, const FullRun& full,
                     Outcome& outcome) {
  const auto steps = static_cast<int64_t>(full.logits.size());
  double divergence = 0, agreed = 0;
  Task task = task_of(request);
  task.reuse = reuse;
  task.max_tokens = steps;
  task.forced = full.tokens;
  task.on_logits = [&](int64_t step, std::span<const float> logits) {
    if (step >= steps) return;
    divergence += kl_divergence(full.logits[step], logits);
    agreed += top1_agrees(full.logits[step], logits);
  };
  answer(std::move(task));
  outcome.kl = divergence / static_cast<double>(steps);
  outcome.top1 = agreed / static_cast<double>(steps);
}

}  // namespace kvs
