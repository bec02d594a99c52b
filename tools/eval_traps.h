#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "tools/contest_options.h"

namespace kvs {

struct TrapsCommand {
  ContestOptions contest;
  std::string file = "-";
  int64_t limit = 100;
};

/// Adds `kvs-eval traps` and returns it; call run_traps_command where it was chosen.
CLI::App* add_traps_command(CLI::App& app, TrapsCommand& command);

/// Asks the model and prints a table, or with --json - the figures. Returns the exit code.
int run_traps_command(const TrapsCommand& command);

}  // namespace kvs
