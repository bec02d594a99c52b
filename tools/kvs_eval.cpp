// kvs-eval: measures models and reuse.
#include "kvs/error.h"
#include "tools/eval_bench.h"
#include "tools/eval_report.h"
#include "tools/eval_run.h"
#include "tools/eval_trace.h"
#include "tools/eval_traps.h"
#include "tools/tool.h"

int main(int argc, char** argv) {
  CLI::App app{"Measure models and the reuse of their KV.", "kvs-eval"};
  kvs::BenchCommand bench;
  kvs::EvaluationCommand evaluation;
  const CLI::App* run_command = kvs::add_evaluation_command(app, evaluation);
  const CLI::App* bench_command = kvs::add_bench_command(app, bench);
  kvs::ReportCommand report;
  const CLI::App* report_command = kvs::add_report_command(app, report);
  kvs::TrapsCommand traps;
  const CLI::App* traps_command = kvs::add_traps_command(app, traps);
  kvs::TraceCommand trace;
  const CLI::App* trace_command = kvs::add_trace_command(app, trace);
  return kvs::run_tool(app, argc, argv, [&] {
    if (*run_command) return kvs::run_evaluation_command(evaluation);
    if (*bench_command) return kvs::run_bench_command(bench);
    if (*report_command) return kvs::run_report_command(report);
    if (*traps_command) return kvs::run_traps_command(traps);
    if (*trace_command) return kvs::run_trace_command(trace);
    kvs::fail(kvs::ErrorKind::argument,
              "no subcommand: run, traps, trace, bench or report (see --help)");
  });
}
