#include "eval/replay.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "kvs/divergence.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void append(std::vector<std::vector<float>>& rows, std::vector<std::vector<float>> more) {
  std::move(more.begin(), more.end(), std::back_inserter(rows));
}

void compare(const FullRun& full, std::span<const std::vector<float>> logits, Outcome& outcome) {
  double divergence = 0, late = 0, agreed = 0;
  for (size_t step = 0; step < full.logits.size(); ++step) {
    const double kl = kl_divergence(full.logits[step], logits[step]);
    divergence += kl;
    if (step >= FullRun::kLate) late += kl;
    agreed += top1_agrees(full.logits[step], logits[step]);
  }
  outcome.kl = divergence / static_cast<double>(full.logits.size());
  if (full.logits.size() > FullRun::kLate)
    outcome.late_kl = late / static_cast<double>(full.logits.size() - FullRun::kLate);
  outcome.top1 = agreed / static_cast<double>(full.logits.size());
}

}  // namespace

Replay::Replay(Transformer& transformer, const Tokenizer* tokenizer, const EngineOptions& engine,
               const ReplayOptions& options)
    : engine_(transformer, tokenizer, engine), options_(options) {
  if (options.embed && options.reuse.policy != Policy::full)
    engine_.donors().embed_with(options.embed);
}

Task Replay::task_of(const WorkloadRequest& request) const {
  return {.id = request.request.id,
          .tokens = request.tokens,
          .tenant = options_.shared ? request.group : request.request.tenant,
          .max_tokens = request.request.max_tokens,
          .reuse = options_.reuse,
          .store = false};
}

Outcome Replay::answer(Task task) {
  task.max_tokens = std::max<int64_t>(task.max_tokens, 1);
  Response response = engine_.run(std::move(task));
  if (response.finish_reason == "error")
    fail(ErrorKind::device, "request '{}' with policy {}: {}", response.id,
         policy_name(options_.reuse.policy), response.error);
  return {.reuse = std::move(response.reuse),
          .tokens = std::move(response.tokens),
          .text = std::move(response.text)};
}

Outcome Replay::run_full(const WorkloadRequest& request, FullRun& full) {
  Task task = task_of(request);
  task.stop = request.request.stop;
  if (!options_.answers) task.max_tokens = std::min(task.max_tokens, FullRun::kSteps);
  int64_t steps = 0;
  full.logits.clear();
  task.on_logits = [&](int64_t step, std::span<const float> logits) {
    steps = std::min(step + 1, FullRun::kSteps);
    if (step == 0) full.logits.emplace_back(logits.begin(), logits.end());
  };
  task.on_prompt = [&](const LayeredView& view) { full.view = view; };
  const auto start = Clock::now();
  Outcome outcome = answer(std::move(task));
  outcome.total_ms = ms_since(start);
  full.tokens = outcome.tokens;
  full.tokens.resize(steps - 1);  // those that later ones are compared behind
  append(full.logits, engine_.continuation_logits(full.view, full.tokens));
  return outcome;
}

Outcome Replay::run(const WorkloadRequest& request, const FullRun& full) {
  LayeredView view;  // of the prompt; shares the blocks, so that they outlive the task
  std::vector<std::vector<float>> logits;
  Task task = task_of(request);
  task.stop = request.request.stop;
  if (!options_.answers) task.max_tokens = 1;
  task.on_prompt = [&](const LayeredView& prompt) { view = prompt; };
  task.on_logits = [&](int64_t step, std::span<const float> row) {
    if (step == 0) logits.emplace_back(row.begin(), row.end());
  };
  const auto start = Clock::now();
  Outcome outcome = answer(std::move(task));
  outcome.total_ms = ms_since(start);

  if (options_.reuse.repair_rows > 0)
    logits = repaired_logits(request, full);
  else
    append(logits, engine_.continuation_logits(view, full.tokens));
  compare(full, logits, outcome);
  store(request, view, full, outcome);
  return outcome;
}

std::optional<ReusePlan> Replay::idle_plan(const WorkloadRequest& request) {
  const auto start = Clock::now();
  ReusePlan plan = engine_.plan(task_of(request));
  planned_ms_ = ms_since(start);
  if (plan.kept() > 0 || plan.count(PlanSpan::Kind::exact) >= kBlockTokens) return std::nullopt;
  return plan;
}

Outcome Replay::adopt(const WorkloadRequest& request, const FullRun& full, Outcome outcome,
                      const ReusePlan& plan) {
  outcome.kl = 0;
  outcome.late_kl = full.logits.size() > FullRun::kLate ? std::optional(0.0) : std::nullopt;
  outcome.top1 = 1;
  outcome.reuse.reason = plan.reason;
  outcome.reuse.exact = plan.count(PlanSpan::Kind::exact);
  outcome.reuse.computed -= outcome.reuse.exact;
  outcome.reuse.lookup_ms = planned_ms_;
  outcome.reuse.ttft_ms += planned_ms_;
  outcome.total_ms += planned_ms_;
  store(request, full.view, full, outcome);
  return outcome;
}

// Rows that decoding repairs differ from token to token, so the answer is forced step by step.
std::vector<std::vector<float>> Replay::repaired_logits(const WorkloadRequest& request,
                                                        const FullRun& full) {
  Task task = task_of(request);
  task.max_tokens = static_cast<int64_t>(full.logits.size());
  task.forced = full.tokens;
  std::vector<std::vector<float>> logits;
  task.on_logits = [&](int64_t, std::span<const float> row) {
    logits.emplace_back(row.begin(), row.end());
  };
  answer(std::move(task));
  logits.resize(full.logits.size());
  return logits;
}

void Replay::store(const WorkloadRequest& request, const LayeredView& view, const FullRun& full,
                   Outcome& outcome) {
  if (options_.reuse.policy == Policy::full) return;  // nobody will look for them
  const Task task = task_of(request);
  const int64_t approximate = view.size() - view.top().exact_rows();
  const bool exactified = options_.exactify && approximate > 0 && worth_exactifying(outcome.reuse);
  if (exactified)
    outcome.background_compute =
        static_cast<double>(approximate) / static_cast<double>(view.size());
  const auto start = Clock::now();
  engine_.donors().add(task.id, task.tenant, task.tokens, (exactified ? full.view : view).top(),
                       exactified ? 0 : outcome.reuse.depth);
  outcome.store_ms = ms_since(start);
  outcome.reuse.ttft_ms += outcome.store_ms;
  outcome.total_ms += outcome.store_ms;
}

}  // namespace kvs
