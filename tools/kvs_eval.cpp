// kvs-eval: measures models and reuse.
#include "tools/eval_bench.h"
#include "tools/tool.h"

int main(int argc, char** argv) {
  CLI::App app{"Measure models and the reuse of their KV.", "kvs-eval"};
  app.require_subcommand(1);
  kvs::BenchCommand bench;
  kvs::add_bench_command(app, bench);
  return kvs::run_tool(app, argc, argv, [&] { return kvs::run_bench_command(bench); });
}
