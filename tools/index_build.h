#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace kvs {

/// How kvs-index build, add and merge are called.
struct IndexBuildOptions {
  std::vector<std::string> inputs;
  std::string folder;
  std::string factory;
  int threads = 1;
  bool copy = false;
  bool keep_going = false;
};

void add_build_options(CLI::App& app, IndexBuildOptions& options);
void add_merge_options(CLI::App& app, IndexBuildOptions& options);

/// Indexes archives, in place of what the folder holds or in addition to it. Returns the exit code.
int build_index(const IndexBuildOptions& options, bool keep);
/// Adds the donors of other indexes. Returns the exit code.
int merge_indexes(const IndexBuildOptions& options);

}  // namespace kvs
