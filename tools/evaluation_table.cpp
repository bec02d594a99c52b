#include "tools/evaluation_table.h"

#include <fmt/format.h>

#include <string_view>

#include "tools/table_number.h"

namespace kvs {
namespace {

constexpr std::string_view kRow =
    "{:<10} {:>6}{:>6}{:>8}{:>7}{:>7}{:>8}{:>8}{:>8}{:>12}{:>8}{:>8}{:>6}{:>6}{:>8}\n";

std::string interval(const Json& value, int digits) {
  const Json::Array& ends = value.as_array();
  return number(ends.at(0), digits) + "-" + number(ends.at(1), digits);
}

// "epic", or "epic d2" where donors may be approximate.
std::string name_of(const Json& policy) {
  const Json* depth = policy.find("donor_depth");
  const std::string& name = policy.get("name").as_string();
  return depth && depth->as_int() > 0 ? fmt::format("{} d{}", name, depth->as_int()) : name;
}

std::string row(std::string_view name, const Json& budget, const Json& figures) {
  const Json& ttft = figures.get("ttft_ms");
  const Json& kl = figures.get("kl");
  return fmt::format(
      kRow, name, number(budget, 2), number(figures.get("hit_rate"), 1, 100),
      number(figures.get("hit_rate_similar"), 1, 100),
      number(figures.get("computed_share"), 1, 100),
      number(figures.get("background_compute"), 1, 100), number(ttft.get("median"), 1),
      number(ttft.get("p95"), 1), number(figures.get("speedup"), 2) + "x",
      interval(figures.get("speedup_interval"), 2), number(kl.get("mean"), 4),
      number(kl.get("p95"), 4), number(figures.get("top1_agreement"), 1, 100),
      number(figures.get("exact_match"), 1, 100), number(figures.get("rouge_l_vs_full"), 3));
}

}  // namespace

std::string evaluation_table_of(const Json& workload) {
  const bool isolated = workload.get("isolation").as_string() == "private";
  std::string text =
      fmt::format("{}{}: {} requests, {} with a similar earlier one\n",
                  workload.get("name").as_string(), isolated ? " (private)" : "",
                  workload.get("requests").as_int(), workload.get("similar").as_int());
  text += fmt::format(kRow, "policy", "budget", "hit %", "similar", "comp %", "later", "TTFT ms",
                      "p95", "faster", "interval", "KL", "p95", "top-1", "same", "ROUGE-L");
  for (const Json& policy : workload.get("policies").as_array())
    text += row(name_of(policy), policy.get("budget"), policy);
  const Json& noise = workload.get("noise_floor");
  if (noise.is_object()) text += row("full again", Json(), noise);
  return text + "\n";
}

}  // namespace kvs
