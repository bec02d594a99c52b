#include "tools/message.h"

#include <cstdio>

namespace kvs {
namespace {

std::string tool_name = "kvs";
Verbosity chosen = Verbosity::normal;

}  // namespace

void set_messages(std::string tool, Verbosity verbosity) {
  tool_name = std::move(tool);
  chosen = verbosity;
}

Verbosity verbosity() {
  return chosen;
}

void say(std::string_view text) {
  const std::string line = fmt::format("{}: {}\n", tool_name, text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void log_line(std::string_view text) {
  if (chosen == Verbosity::quiet) return;
  const std::string line = std::string(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace kvs
