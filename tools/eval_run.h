#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/contest_options.h"
#include "tools/workload_options.h"

namespace kvs {

struct EvaluationCommand {
  ContestOptions contest;
  WorkloadChoice requests;
  std::vector<std::string> isolations{"shared"};
  std::string embedder = "static";
  bool no_answers = false;
  bool exactify = false;
  bool skip_idle = false;
};

/// Adds `kvs-eval run` and returns it; call run_evaluation_command where it was chosen.
CLI::App* add_evaluation_command(CLI::App& app, EvaluationCommand& command);

/// Replays the workloads and prints a table for each, or with --json - the figures. The files of
/// --json and --detail are written anew after each workload. Returns the exit code.
int run_evaluation_command(const EvaluationCommand& command);

}  // namespace kvs
