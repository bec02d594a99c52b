#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "kvs/backend.h"

namespace kvs {

/// Where, with what and in which arithmetic a tool computes.
struct ComputeOptions {
  BackendOptions backend;
  Compute compute = Compute::bf16;
};

/// Adds --device, --threads, --cpu and --compute.
void add_compute_options(CLI::App& app, ComputeOptions& options);

/// Adds -m,--model; read it with resolve_model (model_path.h).
CLI::Option* add_model_option(CLI::App& app, std::string& model);

}  // namespace kvs
