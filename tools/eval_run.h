#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "kvs/reuse.h"
#include "tools/compute_options.h"

namespace kvs {

struct EvaluationCommand {
  ComputeOptions compute;
  std::string model;
  std::string kv_type = "f16";
  int64_t kv_memory_mb = 1024;
  std::string chat_template;
  std::vector<std::string> workloads;
  std::vector<std::string> policies{"full", "prefix", "naive", "epic"};
  std::vector<double> budgets;
  std::string tenants;
  std::vector<std::string> isolations{"shared"};
  int64_t limit = 0;
  int64_t max_tokens = 64;
  ReuseOptions rule;  ///< its numbers, but for the budget
  bool no_noise = false;
  bool no_answers = false;
  bool exactify = false;
  std::string json;
  std::string detail;
};

/// Adds `kvs-eval run` and returns it; call run_evaluation_command where it was chosen.
CLI::App* add_evaluation_command(CLI::App& app, EvaluationCommand& command);

/// Replays the workloads and prints a table for each, or with --json - the figures. The files of
/// --json and --detail are written anew after each workload. Returns the exit code.
int run_evaluation_command(const EvaluationCommand& command);

}  // namespace kvs
