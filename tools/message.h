#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace kvs {

enum class Verbosity { quiet, normal, verbose };

/// Names the tool in front of every message and sets what is said; run_tool calls it.
void set_messages(std::string tool, Verbosity verbosity);
Verbosity verbosity();

/// Writes "tool: text" to stderr, whatever the verbosity is. Never throws, not even on a closed
/// stderr.
void say(std::string_view text);

/// Writes a line of a log to stderr as it is; silent under -q. Never throws.
void log_line(std::string_view line);

/// What a user may want to know, and the run goes on: silent under -q.
template <typename... Args>
void warn(fmt::format_string<Args...> text, Args&&... args) {
  if (verbosity() >= Verbosity::normal) say(fmt::format(text, std::forward<Args>(args)...));
}

/// What only somebody who asked with -v wants to know.
template <typename... Args>
void explain(fmt::format_string<Args...> text, Args&&... args) {
  if (verbosity() == Verbosity::verbose) say(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace kvs
