#include "kvs/calibration.h"

#include <map>
#include <utility>

#include "kvs/error.h"
#include "kvs/evidence.h"

namespace kvs {
namespace {

using Samples = std::vector<GuardSample>;

// Every fifth sample is kept back.
void split(const Samples& samples, Samples& seen, Samples& unseen) {
  for (size_t index = 0; index < samples.size(); ++index)
    (index % 5 == 4 ? unseen : seen).push_back(samples[index]);
}

Json verdict_to_json(const Guard::Verdict& verdict) {
  Json json;
  json.set("prompts", verdict.prompts);
  json.set("accepted", verdict.accepted);
  json.set("broken", verdict.broken);
  json.set("share_accepted", verdict.share_accepted());
  json.set("share_broken", verdict.share_broken());
  return json;
}

// On each workload, of a guard that has seen the others only.
Json verify_elsewhere(const std::vector<CalibrationSet>& sets, const std::vector<double>& budgets,
                      const GuardPromise& promise) {
  Json verdicts{Json::Array{}};
  for (const CalibrationSet& left_out : sets) {
    Samples others;
    for (const CalibrationSet& set : sets)
      if (&set != &left_out) others.insert(others.end(), set.samples.begin(), set.samples.end());
    if (others.size() < Guard::kFewestSamples) continue;
    Json verdict =
        verdict_to_json(Guard(budgets, others, promise).judge(left_out.samples, promise.max_kl));
    verdict.set("workload", left_out.workload);
    verdicts.push(std::move(verdict));
  }
  return verdicts;
}

// Whether a line is that of the next budget.
bool is_attempt(const Json& detail, const std::vector<double>& budgets, size_t next) {
  return next < budgets.size() && detail.get("policy").as_string() == "kvshare" &&
         detail.get("budget").is_number() && detail.get("budget").as_number() == budgets[next] &&
         detail.get("evidence").is_object();
}

}  // namespace

CalibrationSet collect_samples(Transformer& transformer, const Tokenizer* tokenizer,
                               const Workload& workload, const std::vector<double>& budgets,
                               const EvaluationOptions& options) {
  EvaluationOptions replay = options;
  replay.contestants = {{.policy = Policy::full}};
  for (const double budget : budgets)
    replay.contestants.push_back({.policy = Policy::kvshare, .budget = budget});
  replay.reuse.evidence = true;
  replay.answers = false;
  replay.noise_rows = 0;

  CalibrationSet set{.workload = workload.name};
  GuardSample sample;
  replay.on_result = [&](const Contestant& contestant, const ReuseReport& reuse, double kl) {
    if (contestant.policy != Policy::kvshare) return;
    if (contestant.budget == budgets.front()) sample = {.evidence = reuse.evidence};
    if (!reuse.evidence.measured) return;
    sample.kl.push_back(kl);
    if (sample.kl.size() == budgets.size()) set.samples.push_back(sample);
  };
  run_evaluation(transformer, tokenizer, workload, replay);
  return set;
}

std::vector<CalibrationSet> samples_of(const std::vector<Json>& details,
                                       const std::vector<double>& budgets,
                                       const std::string& source) {
  std::vector<CalibrationSet> sets;
  std::string id;  // of the request whose lines are read
  GuardSample sample;
  for (size_t line = 0; line < details.size(); ++line) try {
      const Json& detail = details[line];
      const std::string workload = detail.get("workload").as_string();
      if (sets.empty() || sets.back().workload != workload) sets.push_back({.workload = workload});
      if (const Json& name = detail.get("id"); name.as_string() != id || line == 0) {
        id = name.as_string();
        sample = {};
      }
      if (!is_attempt(detail, budgets, sample.kl.size())) continue;
      if (sample.kl.empty()) sample.evidence = evidence_from_json(detail.get("evidence"));
      sample.kl.push_back(detail.get("kl").as_number());
      if (sample.evidence.measured && sample.kl.size() == budgets.size())
        sets.back().samples.push_back(sample);
    } catch (const Error& e) {
      fail(ErrorKind::format, "{}: line {}: {}", source, line + 1, e.what());
    }
  return sets;
}

Json calibrate_guard(const std::vector<CalibrationSet>& sets, const std::vector<double>& budgets,
                     const GuardPromise& promise) {
  Samples seen, unseen;
  for (const CalibrationSet& set : sets) split(set.samples, seen, unseen);
  const Guard guard(budgets, seen, promise);
  Json json, promised;
  promised.set("max_kl", promise.max_kl);
  promised.set("confidence", promise.confidence);
  promised.set("risk", Guard::kRisk);
  json.set("promise", std::move(promised));
  json.set("guard", guard.to_json());
  json.set("verified", verdict_to_json(guard.judge(unseen, promise.max_kl)));
  json.set("unseen_workloads", verify_elsewhere(sets, budgets, promise));
  return json;
}

}  // namespace kvs
