#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace kvs {

/// Where and with what a tool computes.
struct ComputeOptions {
  std::string device = "auto";  ///< "auto", "cpu", "cuda" or "cuda:1"
  std::string cpu = "auto";     ///< which of the CPU's kernels: "auto" or a level's name
  int threads = 0;              ///< 0: one for each core that this process may use
};

/// Adds --device, --threads and --cpu.
void add_compute_options(CLI::App& app, ComputeOptions& options);

/// Adds -m,--model; read it with resolve_model (model_path.h).
CLI::Option* add_model_option(CLI::App& app, std::string& model);

/// `threads`, or the number of cores where it is 0.
int thread_count(const ComputeOptions& options);

}  // namespace kvs
