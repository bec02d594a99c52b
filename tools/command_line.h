#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace kvs {

/// Adds the options that every tool has, parses, and sets the verbosity. Returns the exit code
/// where that was all: help, version, a generated page, or bad usage (which is said on stderr).
std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv);

/// What is said of a command line, or of a value, that makes no sense.
std::string usage_message(const CLI::ParseError& error);

/// The environment variable of a long option: "--min-span" is KVS_MIN_SPAN.
std::string variable_of(const std::string& option);

}  // namespace kvs
