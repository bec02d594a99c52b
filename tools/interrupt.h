#pragma once

namespace kvs {

/// Thrown by check_interrupt(); run_tool turns it into the exit code 128 + signal.
struct Interrupted {};

/// From here on the first SIGINT or SIGTERM is only noted; the second one kills as usual.
void catch_interrupts();

/// From here on SIGHUP is only noted.
void catch_hangups();

/// Whether SIGHUP came since the last call.
bool take_hangup() noexcept;

/// The signal that asked the tool to stop (SIGINT, SIGTERM), or 0. A long loop looks at it between
/// two records, finishes what it has begun, and returns: what was written stays whole.
int interrupted() noexcept;

/// Throws Interrupted where a signal came.
void check_interrupt();

/// Forgets the signal: for a chat, where Ctrl-C ends the answer and not the program.
void clear_interrupt() noexcept;

}  // namespace kvs
