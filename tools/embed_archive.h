#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace kvs {

/// What `kvs-embed list` and `kvs-embed test` are asked.
struct ArchiveCommand {
  CLI::App* list = nullptr;
  CLI::App* test = nullptr;
  std::vector<std::string> files;
  bool json = false;

  bool asked() const { return *list || *test; }
};

void add_archive_commands(CLI::App& app, ArchiveCommand& command);

/// Runs the subcommand that was asked for. Returns the exit code.
int run_archive_command(const ArchiveCommand& command);

}  // namespace kvs
