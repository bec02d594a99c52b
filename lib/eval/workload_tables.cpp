#include <fmt/format.h>

#include <algorithm>

#include "eval/report_tables.h"

namespace kvs {
namespace {

std::string optional_text(const std::optional<double>& value, int digits, double scale = 1) {
  return value ? fmt::format("{:.{}f}", *value * scale, digits) : "-";
}

Row quality_row(const PolicyFigures& policy, const std::string& name) {
  const Interval& interval = policy.speedup_interval;
  return {name,
          optional_text(policy.budget, 2),
          fmt::format("{:.1f}", policy.hit_rate * 100),
          optional_text(policy.hit_rate_similar, 1, 100),
          fmt::format("{:.0f}", policy.ttft_median_ms),
          fmt::format("{:.0f}", policy.ttft_p95_ms),
          fmt::format("{:.2f} ({:.2f}-{:.2f})", policy.speedup, interval.low, interval.high),
          optional_text(policy.background_compute, 1, 100),
          fmt::format("{:.4f}", policy.kl_mean),
          fmt::format("{:.1f}", policy.top1_agreement * 100),
          optional_text(policy.exact_match, 1, 100),
          optional_text(policy.rouge_l_vs_full, 3)};
}

// "epic", or "epic d2" where donors may be approximate.
std::string name_of(const PolicyFigures& policy) {
  return policy.donor_depth > 0 ? fmt::format("{} d{}", policy.name, policy.donor_depth)
                                : policy.name;
}

Table quality_table(const WorkloadFigures& workload) {
  Table table{.title = fmt::format("{}, {} requests", workload.label(), workload.requests),
              .origin = workload.origin,
              .rows = {{"policy", "budget", "hit %", "similar %", "TTFT ms", "p95 ms", "speed-up",
                        "behind %", "KL", "top-1 %", "exact %", "ROUGE-L/full"}}};
  for (const PolicyFigures& policy : workload.policies)
    table.rows.push_back(quality_row(policy, name_of(policy)));
  if (workload.noise_floor)
    table.rows.push_back(quality_row(*workload.noise_floor, "(noise floor)"));
  return table;
}

std::string difference_text(const std::optional<ScoreDifference>& difference, int digits) {
  if (!difference) return "-";
  return fmt::format("{0:+.{3}f} ({1:+.{3}f} {2:+.{3}f})", difference->value,
                     difference->interval.low, difference->interval.high, digits);
}

Row promise_row(const PolicyFigures& policy, const std::string& name) {
  const std::optional<LongFigures>& longs = policy.long_similar;
  return {name,
          optional_text(policy.budget, 2),
          policy.declined ? fmt::format("{}", *policy.declined) : "-",
          optional_text(policy.ttft_ratio_p95, 2),
          fmt::format("{:.4f}", policy.kl_p95),
          optional_text(policy.bleu_vs_full, 1),
          difference_text(policy.bleu_minus_full, 2),
          difference_text(policy.rouge_l_minus_full, 3),
          longs ? fmt::format("{}", longs->requests) : "-",
          longs ? fmt::format("{:.2f}", longs->speedup) : "-",
          longs ? fmt::format("{:.4f}", longs->kl_mean) : "-",
          longs ? fmt::format("{:.1f}", longs->top1_agreement * 100) : "-"};
}

bool knows_promises(const WorkloadFigures& workload) {
  return std::any_of(workload.policies.begin(), workload.policies.end(),
                     [](const PolicyFigures& policy) { return policy.ttft_ratio_p95; });
}

// What quality_table() has no room for.
Table promise_table(const WorkloadFigures& workload) {
  Table table{
      .title = workload.label() +
               ", promises; right, prompts of 1,000 tokens and more with a similar one",
      .origin = workload.origin,
      .rows = {{"policy", "budget", "declined", "TTFT/full p95", "KL p95", "BLEU/full",
                "BLEU/ref - full's", "ROUGE-L/ref - full's", "long", "speed-up", "KL", "top-1 %"}}};
  for (const PolicyFigures& policy : workload.policies)
    table.rows.push_back(promise_row(policy, name_of(policy)));
  if (workload.noise_floor)
    table.rows.push_back(promise_row(*workload.noise_floor, "(noise floor)"));
  return table;
}

Row reuse_row(const PolicyFigures& policy, const std::string& isolation) {
  Row row{name_of(policy), optional_text(policy.budget, 2), isolation,
          fmt::format("{:.1f}", policy.hit_rate * 100),
          optional_text(policy.hit_rate_similar, 1, 100)};
  for (const double share : policy.reused_over) row.push_back(fmt::format("{:.1f}", share * 100));
  return row;
}

// `same`: one workload under one isolation or several; the policies are the same.
Table reuse_table(std::span<const WorkloadFigures> same) {
  Table table{.title = same.front().name + ", share of the requests that reuse more",
              .origin = same.front().origin,
              .rows = {{"policy", "budget", "isolation", "hit %", "similar %"}}};
  for (const char* step : kReuseSteps) table.rows.front().push_back(fmt::format("> {} %", step));
  for (size_t at = 0; at < same.front().policies.size(); ++at)
    for (const WorkloadFigures& workload : same)
      if (at < workload.policies.size() && workload.policies[at].name != "full")
        table.rows.push_back(reuse_row(workload.policies[at], workload.isolation));
  return table;
}

}  // namespace

std::vector<Table> workload_tables(std::span<const WorkloadFigures> workloads) {
  std::vector<Table> tables;
  for (size_t begin = 0; begin < workloads.size();) {
    size_t end = begin;
    for (; end < workloads.size() && workloads[end].name == workloads[begin].name; ++end) {
      tables.push_back(quality_table(workloads[end]));
      if (knows_promises(workloads[end])) tables.push_back(promise_table(workloads[end]));
    }
    Table reuse = reuse_table(workloads.subspan(begin, end - begin));
    if (reuse.rows.size() > 1) tables.push_back(std::move(reuse));
    begin = end;
  }
  return tables;
}

}  // namespace kvs
