#include "tools/eval_trace.h"

#include <filesystem>

#include "kvs/report.h"
#include "kvs/trace.h"
#include "tools/input.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/source_commit.h"
#include "tools/tool.h"

namespace kvs {
namespace {

constexpr double kBytesPerGib = 1 << 30;

// Powers of two from 16 GiB to 16 TiB, unless sizes are given.
std::vector<int64_t> memory_of(const TraceCommand& command) {
  std::vector<int64_t> bytes;
  for (const double gib : command.memory_gib)
    bytes.push_back(static_cast<int64_t>(gib * kBytesPerGib));
  for (int64_t gib = 16; command.memory_gib.empty() && gib <= 16384; gib *= 2)
    bytes.push_back(gib << 30);
  return bytes;
}

Json replay(const TraceCommand& command) {
  Input input(command.file);
  Progress progress("trace", "requests", 0);
  Json figures = run_trace(input.stream(), input.name(),
                           {.block_tokens = command.block_tokens,
                            .token_bytes = command.token_bytes,
                            .memory = memory_of(command),
                            .limit = command.limit,
                            .on_request = [&] {
                              progress.add();
                              check_interrupt();
                            }});
  Json trace;
  trace.set("name", command.file == "-" ? command.file
                                        : std::filesystem::path(command.file).stem().string());
  for (const Json::Member& member : figures.as_object()) trace.set(member.first, member.second);
  Json json;
  json.set("commit", source_commit());
  json.set("trace", std::move(trace));
  return json;
}

}  // namespace

CLI::App* add_trace_command(CLI::App& app, TraceCommand& command) {
  CLI::App* trace =
      app.add_subcommand("trace", "Replay a trace of block hashes: hit rate against memory");
  trace->add_option("FILE", command.file, "Requests in order of time; -: standard input");
  trace
      ->add_option("--memory", command.memory_gib,
                   "Sizes of the store, separated by commas; otherwise 16 to 16384, doubling")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("GIB")
      ->check(CLI::Range(0.001, 1e6));
  trace->add_option("--block-tokens", command.block_tokens, "Tokens for which a hash stands")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20));
  trace->add_option("--token-bytes", command.token_bytes, "Keys and values of a token")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 30));
  trace->add_option("--limit", command.limit, "Only the first N requests")
      ->type_name("N")
      ->check(CLI::Range(1, 1 << 30));
  trace->add_option("--json", command.json, "Write the figures to this file; -: standard output")
      ->type_name("FILE");
  return trace;
}

int run_trace_command(const TraceCommand& command) {
  const Json json = replay(command);
  if (command.json != "-") {
    const EvaluationFile file{.source = command.file, .evaluation = json};
    write_out(make_report({&file, 1}, ReportFormat::terminal));
    flush_out();
  }
  if (!command.json.empty()) write_file(command.json, json.dump(1) + "\n");
  return kExitOk;
}

}  // namespace kvs
