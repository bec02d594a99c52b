#pragma once

#include <CLI/CLI.hpp>

namespace kvs {

/// Adds --config FILE to a command.
void add_config_option(CLI::App& command);

/// Where the chosen command has a --config: gives the file's values to options, the command's own
/// and those that all commands have, that neither the command line nor the environment gave one.
/// The file is of the part of TOML that kvs-serve(1) describes. Throws Error(io) where it cannot be
/// read, Error(argument), naming file and line, where it makes no sense.
void read_config(CLI::App& app);

}  // namespace kvs
