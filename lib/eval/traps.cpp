#include "kvs/traps.h"

#include <optional>
#include <utility>

#include "eval/trap_summary.h"
#include "kvs/divergence.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr std::array<const char*, 2> kSides{"a", "b"};

class TrapRun {
 public:
  TrapRun(Transformer& transformer, const TrapOptions& options)
      : options_(options), engine_(transformer, nullptr, options.engine) {
    for (const Contestant& contestant : options.contestants) {
      TrapEntry entry{.name = policy_name(contestant.policy),
                      .budget = contestant.budget,
                      .reuse = options.reuse};
      entry.reuse.policy = contestant.policy;
      entry.reuse.budget = contestant.budget;
      entries_.push_back(std::move(entry));
    }
    if (options.noise_rows == 0) return;
    EngineOptions other = options.engine;
    other.rows_per_step = options.noise_rows;
    noise_engine_.emplace(transformer, nullptr, other);
    noise_ = {.name = "noise", .reuse = entries_.front().reuse};
  }

  void run(const Trap& trap) {
    ++tried_;
    std::array<LayeredView, 2> views;
    TrapChoices full;
    for (size_t side = 0; side < 2; ++side)
      full[side] = choose(engine_, trap, side, entries_.front().reuse, views[side]);
    const bool counts = full[0].answer() != full[1].answer();
    if (counts) answer_all(trap, full, std::move(views));
    if (options_.on_pair) options_.on_pair(counts);
  }

  int64_t pairs() const { return static_cast<int64_t>(kinds_.size()); }

  Json figures() const {
    return trap_figures({.tried = tried_,
                         .kinds = kinds_,
                         .entries = entries_,
                         .noise = noise_engine_ ? &noise_ : nullptr,
                         .noise_rows = options_.noise_rows});
  }

 private:
  // `view`: of the prompt, shares the blocks.
  TrapChoice choose(Engine& engine, const Trap& trap, size_t side, const ReuseOptions& reuse,
                    LayeredView& view) {
    std::vector<float> first;  // logits behind the prompt
    Task task{.id = trap.id + kSides[side],
              .tokens = trap.prompts[side],
              .tenant = kSides[side],
              .max_tokens = 1,
              .reuse = reuse,
              .store = false};
    task.on_logits = [&](int64_t, std::span<const float> logits) {
      first.assign(logits.begin(), logits.end());
    };
    task.on_prompt = [&](const LayeredView& prompt) { view = prompt; };
    const Response response = engine.run(std::move(task));
    if (response.finish_reason == "error")
      fail(ErrorKind::device, "trap '{}' with policy {}: {}", trap.id, policy_name(reuse.policy),
           response.error);

    TrapChoice choice{.hit_rate = response.reuse.hit_rate(),
                      .computed_share = response.reuse.computed_share};
    for (size_t answer = 0; answer < 2; ++answer)
      choice.log_likelihood[answer] = likelihood(engine, view, first, trap.answers[answer]);
    return choice;
  }

  static double likelihood(Engine& engine, const LayeredView& view, std::span<const float> first,
                           std::span<const int32_t> answer) {
    double sum = log_probability(first, answer.front());
    const auto rows = engine.continuation_logits(view, answer.first(answer.size() - 1));
    for (size_t step = 0; step < rows.size(); ++step)
      sum += log_probability(rows[step], answer[step + 1]);
    return sum;
  }

  // Each prompt is the donor of the other one, and of nothing else: a tenant sees no more.
  void answer_all(const Trap& trap, const TrapChoices& full, std::array<LayeredView, 2> views) {
    for (size_t side = 0; side < 2; ++side)
      engine_.donors().add(trap.id, kSides[side], trap.prompts[1 - side], views[1 - side].top());
    kinds_.push_back(trap.kind);
    for (TrapEntry& entry : entries_) {
      TrapChoices& both = entry.choices.emplace_back(full);
      if (&entry != &entries_.front()) both = answer(engine_, trap, entry.reuse);
      tell(trap, entry, full);
    }
    if (noise_engine_) {
      noise_.choices.push_back(answer(*noise_engine_, trap, noise_.reuse));
      tell(trap, noise_, full);
    }
    views = {};
    engine_.donors().make_room(engine_.pool().max_blocks());
  }

  TrapChoices answer(Engine& engine, const Trap& trap, const ReuseOptions& reuse) {
    LayeredView first, second;
    return {choose(engine, trap, 0, reuse, first), choose(engine, trap, 1, reuse, second)};
  }

  void tell(const Trap& trap, const TrapEntry& entry, const TrapChoices& full) const {
    if (!options_.on_detail) return;
    for (size_t side = 0; side < 2; ++side) {
      const TrapChoice& choice = entry.choices.back()[side];
      Json line;
      line.set("id", trap.id);
      line.set("kind", trap.kind);
      line.set("prompt", kSides[side]);
      line.set("policy", entry.name);
      line.set("budget", entry.budget ? Json(*entry.budget) : Json());
      line.set("log_likelihood", Json::Array{choice.log_likelihood[0], choice.log_likelihood[1]});
      line.set("choice", kSides[choice.answer()]);
      line.set("agrees", choice.answer() == full[side].answer());
      line.set("hit_rate", choice.hit_rate);
      options_.on_detail(line);
    }
  }

  const TrapOptions& options_;
  Engine engine_;  // of all but the noise floor: nothing is kept from pair to pair
  std::optional<Engine> noise_engine_;
  std::vector<TrapEntry> entries_;  // the full run first
  TrapEntry noise_;
  std::vector<std::string> kinds_;  // of the pairs that count
  int64_t tried_ = 0;
};

}  // namespace

Json run_traps(Transformer& transformer, const std::vector<Trap>& traps,
               const TrapOptions& options) {
  if (options.reuse.repair_rows > 0)
    fail(ErrorKind::argument, "traps: no row is repaired, since no answer is decoded");
  TrapRun run(transformer, options);
  for (const Trap& trap : traps) {
    if (run.pairs() >= options.pairs) break;
    run.run(trap);
  }
  return run.figures();
}

}  // namespace kvs
