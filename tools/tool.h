#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "tools/interrupt.h"
#include "tools/message.h"

namespace kvs {

// Exit codes of every kvs tool (see EXIT STATUS in their man pages). A tool that a signal stopped
// exits with 128 + its number: 130 after Ctrl-C.
inline constexpr int kExitOk = 0;
inline constexpr int kExitNegative = 1;  // ran to the end; the answer is "no"
inline constexpr int kExitError = 2;     // bad usage, or something failed

/// Adds what every tool has (--version, --generate, -v, -q, KVS_<FLAG> for each long option),
/// parses the command line, runs `body`, and turns every way out into an exit code. `body` reads
/// what the options were bound to and asks the app for the subcommand: `if (*list) return ...`.
///
/// Results belong on stdout (output.h); words go to stderr as "kvs-index: message". A closed pipe
/// behind stdout ends the tool quietly with 0; results that cannot be written are an error.
int run_tool(CLI::App& app, int argc, char** argv, const std::function<int()>& body);

}  // namespace kvs
