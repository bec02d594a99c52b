// kvs-eval: measures models and reuse.
#include "kvs/error.h"
#include "tools/eval_bench.h"
#include "tools/eval_run.h"
#include "tools/tool.h"

int main(int argc, char** argv) {
  CLI::App app{"Measure models and the reuse of their KV.", "kvs-eval"};
  kvs::BenchCommand bench;
  kvs::EvaluationCommand evaluation;
  const CLI::App* run_command = kvs::add_evaluation_command(app, evaluation);
  const CLI::App* bench_command = kvs::add_bench_command(app, bench);
  return kvs::run_tool(app, argc, argv, [&] {
    if (*run_command) return kvs::run_evaluation_command(evaluation);
    if (*bench_command) return kvs::run_bench_command(bench);
    kvs::fail(kvs::ErrorKind::argument, "no subcommand: run or bench (see --help)");
  });
}
