#include "tools/eval_calibrate.h"

#include <fmt/format.h>

#include <algorithm>

#include "kvs/calibration.h"
#include "kvs/error.h"
#include "tools/message.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr std::string_view kRow = "{:<24}{:>9}{:>11}{:>9}\n";

std::string row(std::string_view name, const Json& verdict) {
  return fmt::format(kRow, name, verdict.get("prompts").as_int(),
                     fmt::format("{:.1f}", verdict.get("share_accepted").as_number() * 100),
                     fmt::format("{:.1f}", verdict.get("share_broken").as_number() * 100));
}

std::string table_of(const Json& calibration) {
  std::string text = fmt::format(kRow, "judged on", "prompts", "accepted %", "broken %");
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
    const auto runs = static_cast<int64_t>(2 * command.budgets.size() * workload.requests.size());
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

}  // namespace

CLI::App* add_calibrate_command(CLI::App& app, CalibrateCommand& command) {
  CLI::App* calibrate =
      app.add_subcommand("calibrate", "Find out how far kvshare may go with a model");
  add_contest_model_options(*calibrate, command.contest);
  add_workload_options(*calibrate, command.requests);
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
  calibrate->add_option("--detail", command.detail, "Write a line for each request and budget")
      ->type_name("FILE");
  return calibrate;
}

int run_calibrate_command(const CalibrateCommand& command) {
  if (!std::is_sorted(command.budgets.begin(), command.budgets.end()))
    fail(ErrorKind::argument, "--budget: expected ascending shares");
  ContestModel model(command.contest);
  const std::vector<Workload> workloads = open_workloads(command.requests, model.prompts());
  model.load();
  for (const Workload& workload : workloads) require_fit(workload, model.transformer().config());
  const std::vector<CalibrationSet> sets = collect(command, model, workloads);
  const Json calibration = calibrate_guard(sets, command.budgets, command.promise);
  const CostModel costs = open_costs(model.model(), model.kv_type());
  write_file(command.out, policy_file_text(model.model(), model.kv_type(), command.contest.rule,
                                           model.origin(), costs, calibration));
  if (command.out != "-") write_out(table_of(calibration));
  flush_out();
  const bool accepts = calibration.get("verified").get("accepted").as_int() > 0;
  if (!accepts) warn("no reuse keeps the promise: kvshare would decline all");
  return accepts ? kExitOk : kExitNegative;
}

}  // namespace kvs
