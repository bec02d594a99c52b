#include "tools/eval_calibrate.h"

#include <fmt/format.h>

#include <algorithm>

#include "kvs/calibration.h"
#include "kvs/error.h"
#include "tools/input.h"
#include "tools/message.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr std::string_view kVerdictRow = "{:<24}{:>9}{:>11}{:>9}\n";

std::string row(std::string_view name, const Json& verdict) {
  return fmt::format(kVerdictRow, name, verdict.get("prompts").as_int(),
                     fmt::format("{:.1f}", verdict.get("share_accepted").as_number() * 100),
                     fmt::format("{:.1f}", verdict.get("share_broken").as_number() * 100));
}

std::string calibration_table_of(const Json& calibration) {
  std::string text = fmt::format(kVerdictRow, "judged on", "prompts", "accepted %", "broken %");
  text += row("prompts kept back", calibration.get("verified"));
  for (const Json& verdict : calibration.get("unseen_workloads").as_array())
    text += row(verdict.get("workload").as_string() + ", unseen", verdict);
  return text;
}

// The details are written anew after each workload, so that Ctrl-C leaves those that are done.
std::vector<CalibrationSet> collect(const CalibrateCommand& command, ContestModel& model,
                                    const std::vector<Workload>& workloads) {
  std::vector<CalibrationSet> sets;
  std::string detail;
  for (const Workload& workload : workloads) {
    const auto runs = static_cast<int64_t>((command.budgets.size() + 1) * workload.requests.size());
    Progress progress(workload.name, "runs", runs);
    sets.push_back(
        collect_samples(model.transformer(), model.prompts().tokenizer(), workload, command.budgets,
                        {.engine = model.engine_options(),
                         .reuse = command.contest.rule,
                         .exactify = true,
                         .skip_idle = true,
                         .on_detail = [&](const Json& line) { detail += line.dump() + "\n"; },
                         .on_progress =
                             [&] {
                               progress.add();
                               check_interrupt();
                             }}));
    if (!command.detail.empty()) write_file(command.detail, detail);
  }
  return sets;
}

// To the set of the same workload, where there is one.
void add_to(std::vector<CalibrationSet>& sets, const CalibrationSet& more) {
  const auto same = std::find_if(sets.begin(), sets.end(), [&](const CalibrationSet& set) {
    return set.workload == more.workload;
  });
  if (same == sets.end())
    sets.push_back(more);
  else
    same->samples.insert(same->samples.end(), more.samples.begin(), more.samples.end());
}

std::vector<CalibrationSet> measured_before(const CalibrateCommand& command) {
  std::vector<CalibrationSet> sets;
  for (const std::string& file : command.measured) {
    Input input(file);
    for (const CalibrationSet& set : read_samples(input.stream(), input.name(), command.budgets))
      add_to(sets, set);
  }
  return sets;
}

}  // namespace

CLI::App* add_calibrate_command(CLI::App& app, CalibrateCommand& command) {
  CLI::App* calibrate =
      app.add_subcommand("calibrate", "Find out how far kvshare may go with a model");
  add_contest_model_options(*calibrate, command.contest);
  add_workload_options(*calibrate, command.requests)->required(false);
  add_promise_options(*calibrate, command.promise);
  calibrate
      ->add_option("--budget", command.budgets,
                   "Shares of the kept tokens to choose among, ascending, separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("SHARES")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  calibrate->add_option("-o,--out", command.out, "Write the policy file here; -: standard output")
      ->type_name("FILE")
      ->required();
  calibrate
      ->add_option("--measured", command.measured,
                   "What --detail of an earlier run wrote: counts as if replayed now")
      ->type_name("FILE")
      ->allow_extra_args();
  calibrate->add_option("--detail", command.detail, "Write a line for each request and budget")
      ->type_name("FILE");
  return calibrate;
}

int run_calibrate_command(const CalibrateCommand& command) {
  if (command.requests.files.empty() && command.measured.empty())
    fail(ErrorKind::argument, "expected --workload or --measured");
  if (!std::is_sorted(command.budgets.begin(), command.budgets.end()))
    fail(ErrorKind::argument, "--budget: expected ascending shares");
  if (command.budgets.front() < command.contest.rule.structure)
    fail(ErrorKind::argument, "--budget: expected --structure {} at least, found {}",
         command.contest.rule.structure, command.budgets.front());
  ContestModel model(command.contest);
  std::vector<CalibrationSet> sets = measured_before(command);
  const std::vector<Workload> workloads = open_workloads(command.requests, model.prompts());
  model.load();
  for (const Workload& workload : workloads) require_fit(workload, model.transformer().config());
  for (const CalibrationSet& set : collect(command, model, workloads)) add_to(sets, set);
  const Json calibration = calibrate_guard(sets, command.budgets, command.promise);
  const CostModel costs = open_costs(model.model(), model.kv_type());
  write_file(command.out, policy_file_text(model.model(), model.kv_type(), command.contest.rule,
                                           model.origin(), costs, calibration));
  if (command.out != "-") write_out(calibration_table_of(calibration));
  flush_out();
  const bool accepts = calibration.get("verified").get("accepted").as_int() > 0;
  if (!accepts) warn("no reuse keeps the promise: kvshare would decline all");
  return accepts ? kExitOk : kExitNegative;
}

}  // namespace kvs
