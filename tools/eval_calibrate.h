#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tools/contest_options.h"
#include "tools/reuse_support.h"
#include "tools/workload_options.h"

namespace kvs {

struct CalibrateCommand {
  ContestOptions contest;  ///< its model and rule
  WorkloadChoice requests;
  GuardPromise promise;
  std::vector<double> budgets{0.01, 0.1, 0.2, 0.3};
  std::string out;
  std::string detail;
  std::vector<std::string> measured;  ///< details of earlier runs
};

/// Adds `kvs-eval calibrate` and returns it; call run_calibrate_command where it was chosen.
CLI::App* add_calibrate_command(CLI::App& app, CalibrateCommand& command);

/// Writes a policy file and prints what its guard keeps. Exit code 1 where it accepts nothing.
int run_calibrate_command(const CalibrateCommand& command);

}  // namespace kvs
