#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "kvs/workload.h"

namespace kvs {

/// Which requests are replayed.
struct WorkloadChoice {
  std::vector<std::string> files;
  std::string tenants;
  int64_t limit = 0;
  int64_t max_tokens = 64;
};

/// Adds --workload, --limit, --max-tokens and --tenants. Returns the first, which is required.
CLI::Option* add_workload_options(CLI::App& app, WorkloadChoice& choice);

/// Throws what read_workload() and read_tenant_groups() throw.
std::vector<Workload> open_workloads(const WorkloadChoice& choice, const PromptEncoder& prompts);

}  // namespace kvs
