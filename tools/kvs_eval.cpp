// kvs-eval: measures models and reuse.
#include "kvs/error.h"
#include "tools/eval_bench.h"
#include "tools/eval_calibrate.h"
#include "tools/eval_load.h"
#include "tools/eval_report.h"
#include "tools/eval_run.h"
#include "tools/eval_trace.h"
#include "tools/eval_traps.h"
#include "tools/tool.h"

int main(int argc, char** argv) {
  CLI::App app{"Measure models and the reuse of their KV.", "kvs-eval"};
  kvs::EvaluationCommand run;
  kvs::CalibrateCommand calibrate;
  kvs::TrapsCommand traps;
  kvs::TraceCommand trace;
  kvs::BenchCommand bench;
  kvs::LoadCommand load;
  kvs::ReportCommand report;
  const std::vector<std::pair<const CLI::App*, std::function<int()>>> commands{
      {kvs::add_evaluation_command(app, run), [&] { return run_evaluation_command(run); }},
      {kvs::add_calibrate_command(app, calibrate),
       [&] { return run_calibrate_command(calibrate); }},
      {kvs::add_traps_command(app, traps), [&] { return run_traps_command(traps); }},
      {kvs::add_trace_command(app, trace), [&] { return run_trace_command(trace); }},
      {kvs::add_bench_command(app, bench), [&] { return run_bench_command(bench); }},
      {kvs::add_load_command(app, load), [&] { return run_load_command(load); }},
      {kvs::add_report_command(app, report), [&] { return run_report_command(report); }}};
  return kvs::run_tool(app, argc, argv, [&] {
    for (const auto& [command, perform] : commands)
      if (*command) return perform();
    kvs::fail(kvs::ErrorKind::argument,
              "no subcommand: run, calibrate, traps, trace, bench, load or report (see --help)");
  });
}
