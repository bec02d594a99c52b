#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "kvs/bench.h"
#include "tools/compute_options.h"

namespace kvs {

struct BenchCommand {
  ComputeOptions compute;
  std::string model;
  std::string kv_type = "f16";
  std::string json;
  BenchOptions bench;
};

CLI::App* add_bench_command(CLI::App& app, BenchCommand& command);

/// Measures and prints a table, or with --json the figures. Returns the exit code.
int run_bench_command(const BenchCommand& command);

}  // namespace kvs
