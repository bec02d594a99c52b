#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace kvs {

struct TraceCommand {
  std::string file = "-";
  std::vector<double> memory_gib;
  int64_t block_tokens = 512;
  int64_t token_bytes = 131072;
  int64_t limit = 0;
  std::string json;
};

/// Adds `kvs-eval trace` and returns it; call run_trace_command where it was chosen.
CLI::App* add_trace_command(CLI::App& app, TraceCommand& command);

/// Replays the trace and prints a table, or with --json - the figures. Returns the exit code.
int run_trace_command(const TraceCommand& command);

}  // namespace kvs
