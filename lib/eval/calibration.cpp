#include "kvs/calibration.h"

#include <map>
#include <utility>

#include "base/line_reader.h"
#include "eval/report_json.h"
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

// Makes samples of details, of which those of one request stand together.
class SampleReader {
 public:
  explicit SampleReader(const std::vector<double>& budgets) : budgets_(budgets) {}

  void add(const Json& detail) {
    begin(detail.get("workload").as_string(), text_of(detail, "isolation"),
          detail.get("id").as_string());
    if (!is_next_attempt(detail)) return;
    if (sample_.kl.empty()) sample_.evidence = evidence_from_json(detail.get("evidence"));
    sample_.kl.push_back(detail.get("kl").as_number());
    if (sample_.evidence.measured && sample_.kl.size() == budgets_.size())
      sets_.back().samples.push_back(sample_);
  }

  std::vector<CalibrationSet> take_sets() { return std::move(sets_); }

 private:
  // Who may reuse whose prompts makes another sample of the same request.
  void begin(const std::string& workload, const std::string& isolation, const std::string& id) {
    const bool other = sets_.empty() || sets_.back().workload != workload;
    if (other) sets_.push_back({.workload = workload});
    if (other || isolation != isolation_ || id != id_) sample_ = {};
    isolation_ = isolation;
    id_ = id;
  }

  bool is_next_attempt(const Json& detail) const {
    const Json& budget = detail.get("budget");
    return detail.get("policy").as_string() == "kvshare" && budget.is_number() &&
           optional_number(detail, "donor_depth").value_or(0) == 0 &&
           sample_.kl.size() < budgets_.size() &&
           budget.as_number() == budgets_[sample_.kl.size()] && detail.get("evidence").is_object();
  }

  const std::vector<double>& budgets_;
  std::vector<CalibrationSet> sets_;
  std::string isolation_, id_;  // of the request whose details are read
  GuardSample sample_;
};

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

std::vector<CalibrationSet> read_samples(std::istream& in, const std::string& source,
                                         const std::vector<double>& budgets) {
  SampleReader samples(budgets);
  LineReader lines(in, source);
  for (std::string line; lines.next(line);) {
    if (line.empty()) continue;
    const Json detail = Json::parse(line, lines.where());
    try {
      samples.add(detail);
    } catch (const Error& e) {
      fail(ErrorKind::format, "{}: {}", lines.where(), e.what());
    }
  }
  return samples.take_sets();
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
