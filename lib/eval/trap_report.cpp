#include "eval/trap_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/report_json.h"

namespace kvs {
namespace {

TrapPolicyFigures read_trap_policy(const Json& json) {
  TrapPolicyFigures policy{.name = text_of(json, "name"),
                           .budget = optional_number(json, "budget"),
                           .agreement = json.get("agreement").as_number(),
                           .correct = json.get("correct").as_number(),
                           .hit_rate = json.get("hit_rate").as_number(),
                           .computed_share = json.get("computed_share").as_number()};
  const Json* minus = json.find("agreement_minus_noise");
  if (!minus || !minus->is_object()) return policy;
  policy.minus_noise = minus->get("value").as_number();
  const Json::Array& ends = minus->get("interval").as_array();
  if (ends.size() != 2) fail(ErrorKind::format, "field 'interval': expected two numbers");
  policy.minus_noise_interval = {ends[0].as_number(), ends[1].as_number()};
  return policy;
}

Row row_of(const TrapPolicyFigures& policy, const std::string& name) {
  const Interval& interval = policy.minus_noise_interval;
  const auto percent = [](double share) { return fmt::format("{:.1f}", share * 100); };
  return {name,
          policy.budget ? fmt::format("{:.2f}", *policy.budget) : "-",
          percent(policy.agreement),
          policy.minus_noise
              ? fmt::format("{:+.1f} ({:+.1f} to {:+.1f})", *policy.minus_noise * 100,
                            interval.low * 100, interval.high * 100)
              : "-",
          percent(policy.correct),
          percent(policy.hit_rate),
          percent(policy.computed_share)};
}

PlotPoint point_of(const TrapPolicyFigures& policy) {
  const std::string budget = policy.budget ? fmt::format(" {:g}", *policy.budget) : "";
  return {policy.computed_share, policy.agreement,
          fmt::format("{}{}: {:.1f} % as the full run, {:.0f} % computed", policy.name, budget,
                      policy.agreement * 100, policy.computed_share * 100)};
}

}  // namespace

TrapFigures read_trap_figures(const EvaluationFile& file) {
  TrapFigures traps{.name = "traps", .origin = origin_of(file.evaluation)};
  const std::string where = file.source + ": traps";
  const Json& json = file.evaluation.get("traps");
  const Json::Array& policies = read_at(where, [&]() -> const Json::Array& {
    traps.pairs = json.get("pairs").as_int();
    traps.tried = json.get("tried").as_int();
    return json.get("policies").as_array();
  });
  for (size_t at = 0; at < policies.size(); ++at)
    traps.policies.push_back(read_at(fmt::format("{}.policies[{}]", where, at),
                                     [&] { return read_trap_policy(policies[at]); }));
  const Json* noise = json.find("noise_floor");
  if (noise && noise->is_object())
    traps.noise_floor = read_at(where + ".noise_floor", [&] { return read_trap_policy(*noise); });
  return traps;
}

Table trap_table(const TrapFigures& traps) {
  Table table{
      .title = fmt::format("{}, {} pairs of {} tried", traps.name, traps.pairs, traps.tried),
      .origin = traps.origin,
      .rows = {{"policy", "budget", "as full %", "minus noise floor", "correct %", "hit %",
                "computed %"}}};
  for (const TrapPolicyFigures& policy : traps.policies)
    table.rows.push_back(row_of(policy, policy.name));
  if (traps.noise_floor) table.rows.push_back(row_of(*traps.noise_floor, "(noise floor)"));
  return table;
}

Plot trap_plot(const TrapFigures& traps, const Palette& palette) {
  const bool high = std::all_of(traps.policies.begin(), traps.policies.end(),
                                [](const auto& policy) { return policy.agreement >= 0.5; });
  Plot plot{.title = traps.name,
            .x = {"part of the prompt that is computed", 0, 1, false, true},
            .y = {"choices as the full run's", high ? 0.5 : 0, 1, false, true}};
  for (const std::string& name : palette.names()) {
    PlotLine line{.colour = palette.colour(name)};
    for (const TrapPolicyFigures& policy : traps.policies)
      if (policy.name == name) line.points.push_back(point_of(policy));
    std::sort(line.points.begin(), line.points.end(),
              [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
    if (!line.points.empty()) plot.lines.push_back(std::move(line));
  }
  return plot;
}

}  // namespace kvs
