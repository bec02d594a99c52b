#include "eval/report_figures.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/report_json.h"

namespace kvs {
namespace {

// A list of shares for each way in which tokens can come about; all of one length.
std::vector<PartFigures> read_parts(const Json& json) {
  std::vector<PartFigures> parts;
  const auto read = [&](const char* key, double PartFigures::*share) {
    const Json::Array& shares = json.get(key).as_array();
    if (parts.empty()) parts.resize(shares.size());
    if (parts.size() != shares.size())
      fail(ErrorKind::format,
           "field 'reused_by_position': field '{}': expected {} shares, found {}", key,
           parts.size(), shares.size());
    for (size_t at = 0; at < shares.size(); ++at) parts[at].*share = shares[at].as_number();
  };
  read("exact", &PartFigures::exact);
  read("shifted", &PartFigures::shifted);
  read("recomputed", &PartFigures::recomputed);
  read("computed", &PartFigures::computed);
  return parts;
}

int depth_of(const Json& json) {
  return static_cast<int>(optional_number(json, "donor_depth").value_or(0));
}

Interval interval_of(const Json& json, std::string_view key) {
  const Json::Array& ends = json.get(key).as_array();
  if (ends.size() != 2) fail(ErrorKind::format, "field '{}': expected two numbers", key);
  return {ends[0].as_number(), ends[1].as_number()};
}

// None where the member is missing or not known.
const Json* object_in(const Json& json, std::string_view key) {
  const Json* member = json.find(key);
  return member && member->is_object() ? member : nullptr;
}

std::optional<ScoreDifference> difference_in(const Json& json, std::string_view key) {
  const Json* difference = object_in(json, key);
  if (!difference || !optional_number(*difference, "value")) return std::nullopt;
  return ScoreDifference{.value = difference->get("value").as_number(),
                         .interval = interval_of(*difference, "interval")};
}

std::optional<LongFigures> long_figures_in(const Json& json, std::string_view key) {
  const Json* figures = object_in(json, key);
  if (!figures || figures->get("requests").as_int() == 0) return std::nullopt;
  return LongFigures{.requests = figures->get("requests").as_int(),
                     .speedup = figures->get("speedup").as_number(),
                     .kl_mean = figures->get("kl").get("mean").as_number(),
                     .top1_agreement = figures->get("top1_agreement").as_number()};
}

PolicyFigures read_policy(const Json& json) {
  PolicyFigures policy;
  policy.name = text_of(json, "name");
  policy.budget = optional_number(json, "budget");
  policy.donor_depth = depth_of(json);
  policy.hit_rate = json.get("hit_rate").as_number();
  policy.hit_rate_similar = optional_number(json, "hit_rate_similar");
  for (size_t step = 0; step < kReuseSteps.size(); ++step)
    policy.reused_over[step] = json.get("reused_over").get(kReuseSteps[step]).as_number();
  if (const Json* parts = json.find("reused_by_position"); parts && parts->is_object())
    policy.reused_by_position = read_parts(*parts);
  policy.ttft_median_ms = json.get("ttft_ms").get("median").as_number();
  policy.ttft_p95_ms = json.get("ttft_ms").get("p95").as_number();
  policy.speedup = json.get("speedup").as_number();
  policy.speedup_interval = interval_of(json, "speedup_interval");
  policy.background_compute = optional_number(json, "background_compute");
  policy.kl_mean = json.get("kl").get("mean").as_number();
  policy.kl_p95 = json.get("kl").get("p95").as_number();
  policy.top1_agreement = json.get("top1_agreement").as_number();
  policy.exact_match = optional_number(json, "exact_match");
  policy.rouge_l_vs_full = optional_number(json, "rouge_l_vs_full");
  policy.rouge_l_vs_reference = optional_number(json, "rouge_l_vs_reference");
  policy.bleu_vs_full = optional_number(json, "bleu_vs_full");
  policy.bleu_minus_full = difference_in(json, "bleu_vs_reference_minus_full");
  policy.rouge_l_minus_full = difference_in(json, "rouge_l_vs_reference_minus_full");
  if (const Json* ratio = object_in(json, "ttft_ratio"))
    policy.ttft_ratio_p95 = ratio->get("p95").as_number();
  if (const Json* declined = json.find("declined")) policy.declined = declined->as_int();
  policy.long_similar = long_figures_in(json, "long_similar");
  return policy;
}

WorkloadFigures read_workload(const Json& json, const std::string& where) {
  WorkloadFigures workload;
  const Json::Array& policies = read_at(where, [&]() -> const Json::Array& {
    workload.name = json.get("name").as_string();
    workload.requests = json.get("requests").as_int();
    workload.isolation = text_of(json, "isolation");
    if (workload.isolation.empty()) workload.isolation = "shared";
    return json.get("policies").as_array();
  });
  for (size_t at = 0; at < policies.size(); ++at)
    workload.policies.push_back(read_at(fmt::format("{}.policies[{}]", where, at), [&] {
      static_cast<void>(policies[at].get("name").as_string());
      return read_policy(policies[at]);
    }));
  const Json* noise = json.find("noise_floor");
  if (noise != nullptr && noise->is_object() && noise->find("kl") != nullptr)
    workload.noise_floor = read_at(where + ".noise_floor", [&] { return read_policy(*noise); });
  return workload;
}

void add_detail(const Json& detail, std::vector<WorkloadFigures>& workloads) {
  const std::string name = detail.get("workload").as_string();
  const std::string isolation = text_of(detail, "isolation");
  const std::string policy_name = detail.get("policy").as_string();
  const std::optional<double> budget = optional_number(detail, "budget");
  const double ttft_ms = detail.get("ttft_ms").as_number();
  for (WorkloadFigures& workload : workloads)
    for (PolicyFigures& policy : workload.policies)
      if (workload.name == name && (isolation.empty() || workload.isolation == isolation) &&
          policy.name == policy_name && policy.budget == budget &&
          policy.donor_depth == depth_of(detail))
        policy.ttft_ms.push_back(ttft_ms);
}

}  // namespace

std::string PolicyFigures::label() const {
  std::string label = budget ? fmt::format("{} {:g}", name, *budget) : name;
  if (donor_depth > 0) label += fmt::format(" d{}", donor_depth);
  return label;
}

std::string WorkloadFigures::label() const {
  return isolation == "private" ? name + " (private)" : name;
}

std::vector<WorkloadFigures> read_workload_figures(const EvaluationFile& file) {
  std::vector<WorkloadFigures> workloads;
  const Json::Array& list = read_at(file.source, [&]() -> const Json::Array& {
    return file.evaluation.get("workloads").as_array();
  });
  for (size_t at = 0; at < list.size(); ++at)
    workloads.push_back(read_workload(list[at], fmt::format("{}: workloads[{}]", file.source, at)));
  for (size_t at = 0; at < file.details.size(); ++at)
    read_at(fmt::format("{}: detail {}", file.source, at + 1),
            [&] { add_detail(file.details[at], workloads); });
  for (WorkloadFigures& workload : workloads) {
    workload.origin = origin_of(file.evaluation);
    for (PolicyFigures& policy : workload.policies)
      std::sort(policy.ttft_ms.begin(), policy.ttft_ms.end());
  }
  return workloads;
}

}  // namespace kvs
