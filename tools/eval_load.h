#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "kvs/load.h"

namespace kvs {

struct LoadCommand {
  ApiClientOptions server;
  std::string model;  // as the server calls it; empty: the first one it names
  std::vector<std::string> files;
  int64_t limit = 0;
  int64_t max_tokens = 64;
  std::string extra_body;
  std::string api_key;
  std::string keys;  // file
  double timeout_s = 300;
  LoadOptions load;
  double ttft_limit_ms = 1000;
  std::string json;
  std::string detail;
};

/// Adds `kvs-eval load` and returns it; call run_load_command where it was chosen.
CLI::App* add_load_command(CLI::App& app, LoadCommand& command);

/// Sends the requests to the server and prints what came of them. Ctrl-C ends the load and shows
/// what was answered until then. Returns the exit code: 1 where requests were not answered.
int run_load_command(const LoadCommand& command);

}  // namespace kvs
