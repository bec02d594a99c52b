#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace kvs {

/// What `kvs-embed cat`, `merge` and `split` are asked.
struct CopyCommand {
  CLI::App* cat = nullptr;
  CLI::App* merge = nullptr;
  CLI::App* split = nullptr;
  std::vector<std::string> files;
  std::string output = "-";
  std::string prefix;
  std::vector<std::string> ids;
  int64_t prompts = 0;  ///< of a part, at most; 0: any number
  int64_t size_mb = 0;  ///< of a part, after which the next one begins; 0: any size
  bool keep_going = false;

  bool asked() const { return *cat || *merge || *split; }
};

void add_copy_commands(CLI::App& app, CopyCommand& command);

/// Runs the subcommand that was asked for. Returns the exit code.
int run_copy_command(const CopyCommand& command);

}  // namespace kvs
