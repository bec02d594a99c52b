#include "kvs/evaluation.h"

#include <algorithm>
#include <memory>

#include "eval/replay.h"
#include "eval/summary.h"

namespace kvs {
namespace {

// One contestant and what came of its requests.
struct Entry {
  std::string name;
  Contestant contestant;
  std::unique_ptr<Replay> replay;
  std::vector<Outcome> outcomes;
};

class Evaluation {
 public:
  Evaluation(Transformer& transformer, const Tokenizer* tokenizer, const Workload& workload,
             const EvaluationOptions& options)
      : transformer_(transformer), tokenizer_(tokenizer), workload_(workload), options_(options) {
    for (const Contestant& contestant : options.contestants) add(contestant);
    if (options.noise_rows > 0) {
      EngineOptions engine = options.engine;
      engine.rows_per_step = options.noise_rows;
      noise_ = Entry{.name = "noise", .replay = replay({.policy = Policy::full}, engine)};
    }
  }
  // Donors may lie in the full run's pool, which goes last.
  ~Evaluation() {
    while (!entries_.empty()) entries_.pop_back();
  }
  Evaluation(const Evaluation&) = delete;
  Evaluation& operator=(const Evaluation&) = delete;

  Json run() {
    warm_up();
    for (const WorkloadRequest& request : workload_.requests) run(request);

    const Results results = this->results();
    Json json;
    json.set("name", workload_.name);
    json.set("requests", static_cast<int64_t>(workload_.requests.size()));
    json.set("similar", std::count_if(workload_.requests.begin(), workload_.requests.end(),
                                      [](const auto& request) { return request.similar; }));
    json.set("isolation", isolation());
    Json policies{Json::Array{}};
    for (const Entry& entry : entries_) {
      Json figures;
      figures.set("name", entry.name);
      figures.set("budget", budget_of(entry));
      figures.set("donor_depth", entry.contestant.donor_depth);
      add_summary(results, entry.outcomes, figures);
      policies.push(std::move(figures));
    }
    json.set("policies", std::move(policies));
    json.set("noise_floor", noise_floor(results));
    return json;
  }

 private:
  std::unique_ptr<Replay> replay(const Contestant& contestant, const EngineOptions& engine) {
    ReuseOptions reuse = options_.reuse;
    reuse.policy = contestant.policy;
    reuse.budget = contestant.budget;
    return std::make_unique<Replay>(transformer_, tokenizer_, engine,
                                    ReplayOptions{.reuse = reuse,
                                                  .shared = options_.shared,
                                                  .embed = options_.embed,
                                                  .answers = options_.answers,
                                                  .exactify = options_.exactify});
  }

  void add(const Contestant& contestant) {
    EngineOptions engine = options_.engine;
    const bool shares_rows = options_.exactify || options_.skip_idle;
    if (shares_rows && contestant.policy == Policy::full)  // it keeps all prompts
      for (const WorkloadRequest& request : workload_.requests)
        engine.max_blocks += static_cast<int64_t>(request.tokens.size()) / kBlockTokens + 1;
    engine.donors.max_depth = contestant.donor_depth;
    entries_.push_back({.name = policy_name(contestant.policy),
                        .contestant = contestant,
                        .replay = replay(contestant, engine)});
  }

  // The first forward passes touch memory that later ones find in place.
  void warm_up() {
    FullRun ignored;
    WorkloadRequest first = workload_.requests.front();
    first.request.max_tokens = 2;
    entries_.front().replay->run_full(first, ignored);
  }

  void run(const WorkloadRequest& request) {
    FullRun full;
    Entry& first = entries_.front();
    finish(first, first.replay->run_full(request, full));
    for (auto entry = entries_.begin() + 1; entry != entries_.end(); ++entry)
      finish(*entry, run(*entry->replay, request, full));
    if (noise_.replay) finish(noise_, noise_.replay->run(request, full));
  }

  Outcome run(Replay& replay, const WorkloadRequest& request, const FullRun& full) const {
    if (options_.skip_idle)
      if (const std::optional<ReusePlan> plan = replay.idle_plan(request))
        return replay.adopt(request, full, entries_.front().outcomes.back(), *plan);
    return replay.run(request, full);
  }

  Json noise_floor(const Results& results) const {
    Json noise;
    if (!noise_.replay) return noise;
    noise.set("rows_per_step", options_.noise_rows);
    add_summary(results, noise_.outcomes, noise);
    return noise;
  }

  Results results() const {
    return {workload_.requests, entries_.front().outcomes, noise_.outcomes, options_.answers};
  }

  void finish(Entry& entry, Outcome outcome) {
    entry.outcomes.push_back(std::move(outcome));
    if (options_.on_detail) {
      Json line;
      line.set("workload", workload_.name);
      line.set("isolation", isolation());
      line.set("policy", entry.name);
      line.set("budget", budget_of(entry));
      line.set("donor_depth", entry.contestant.donor_depth);
      add_detail(results(), entry.outcomes.size() - 1, entry.outcomes.back(), line);
      options_.on_detail(line);
    }
    const Outcome& last = entry.outcomes.back();
    if (options_.on_result) options_.on_result(entry.contestant, last.reuse, last.kl);
    if (options_.on_progress) options_.on_progress();
  }

  const char* isolation() const { return options_.shared ? "shared" : "private"; }

  static Json budget_of(const Entry& entry) {
    return entry.contestant.budget ? Json(*entry.contestant.budget) : Json();
  }

  Transformer& transformer_;
  const Tokenizer* tokenizer_;
  const Workload& workload_;
  const EvaluationOptions& options_;
  std::vector<Entry> entries_;  // the full run first
  Entry noise_;
};

}  // namespace

std::vector<Contestant> contestants_of(const std::vector<Policy>& policies,
                                       const std::vector<double>& budgets,
                                       const std::vector<int>& donor_depths) {
  std::vector<Contestant> contestants{{.policy = Policy::full}};
  for (const Policy policy : policies) {
    if (policy == Policy::full) continue;
    std::vector<std::optional<double>> all(budgets.begin(), budgets.end());
    if (!has_budget(policy))
      all = {std::nullopt};
    else if (policy == Policy::kvshare)  // its budget is the guard's
      all.insert(all.begin(), std::nullopt);
    else if (budgets.empty())
      all = {ReuseOptions::kDefaultBudget};
    const bool lossless = policy == Policy::prefix;
    for (const std::optional<double>& budget : all)
      for (const int depth : lossless ? std::vector<int>{0} : donor_depths)
        contestants.push_back({.policy = policy, .budget = budget, .donor_depth = depth});
  }
  return contestants;
}

Json run_evaluation(Transformer& transformer, const Tokenizer* tokenizer, const Workload& workload,
                    const EvaluationOptions& options) {
  return Evaluation(transformer, tokenizer, workload, options).run();
}

}  // namespace kvs
