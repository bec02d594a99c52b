#include "tools/eval_traps.h"

#include "kvs/report.h"
#include "kvs/traps.h"
#include "tools/input.h"
#include "tools/message.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/tool.h"

namespace kvs {
namespace {

std::vector<Trap> open_traps(const std::string& file, const PromptEncoder& prompts) {
  Input input(file);
  return read_traps(input.stream(), input.name(), prompts);
}

Json run(const TrapsCommand& command, const std::vector<Contestant>& contestants,
         std::string& detail) {
  ContestModel model(command.contest);
  const std::vector<Trap> traps = open_traps(command.file, model.prompts());
  model.load();
  TrapOptions options{.contestants = contestants,
                      .engine = model.engine_options(),
                      .reuse = model.rule(contestants),
                      .pairs = command.limit};
  if (command.contest.no_noise) options.noise_rows = 0;
  if (!command.contest.detail.empty())
    options.on_detail = [&](const Json& line) { detail += line.dump() + "\n"; };
  Progress progress("traps", "pairs", static_cast<int64_t>(traps.size()));
  options.on_pair = [&](bool) {
    progress.add();
    check_interrupt();
  };
  Json json = model.origin();
  json.set("traps", run_traps(model.transformer(), traps, options));
  return json;
}

}  // namespace

CLI::App* add_traps_command(CLI::App& app, TrapsCommand& command) {
  CLI::App* traps =
      app.add_subcommand("traps", "Ask about the one word or number in which two prompts differ");
  traps->add_option("FILE", command.file,
                    "Pairs of prompts (scripts/make-traps); -: standard input");
  traps
      ->add_option("--limit", command.limit,
                   "As many pairs whose prompts the full run answers differently")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  add_contest_options(*traps, command.contest);
  return traps;
}

int run_traps_command(const TrapsCommand& command) {
  const std::vector<Contestant> contestants = contestants_of(command.contest);
  std::string detail;
  const Json json = run(command, contestants, detail);
  const int64_t pairs = json.get("traps").get("pairs").as_int();
  if (pairs < command.limit)
    warn("{} pairs count, fewer than {}: the full run answers both prompts of the others alike",
         pairs, command.limit);
  const ContestOptions& files = command.contest;
  if (files.json != "-") {
    const EvaluationFile file{.source = command.file, .evaluation = json};
    write_out(make_report({&file, 1}, ReportFormat::terminal));
    flush_out();
  }
  if (!files.detail.empty()) write_file(files.detail, detail);
  if (!files.json.empty()) write_file(files.json, json.dump(1) + "\n");
  return kExitOk;
}

}  // namespace kvs
