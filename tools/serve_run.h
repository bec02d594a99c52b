#pragma once

#include "tools/serve_options.h"

namespace kvs {

struct RunOptions {
  std::vector<std::string> files;
  bool keep_going = false;
};

/// Adds `kvs-serve run` and returns it; call run_requests where it was chosen.
CLI::App* add_run_command(CLI::App& app, ServeOptions& serve, RunOptions& run);

/// Answers requests from files, a JSON line each on stdout, in order. Returns the exit code.
int run_requests(const ServeOptions& serve, const RunOptions& run);

}  // namespace kvs
