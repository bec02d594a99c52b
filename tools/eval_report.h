#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace kvs {

struct ReportCommand {
  std::vector<std::string> files;
  std::vector<std::string> details;
  std::string format = "terminal";
  std::string output = "-";
};

CLI::App* add_report_command(CLI::App& app, ReportCommand& command);

/// Writes the report. Returns the exit code.
int run_report_command(const ReportCommand& command);

}  // namespace kvs
