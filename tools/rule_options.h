#pragma once

#include <CLI/CLI.hpp>

#include "kvs/reuse.h"

namespace kvs {

/// Adds the numbers that rules of reuse go by, all but the budget: --structure, --halo,
/// --wide-halo, --sinks, --last, --window, --repair-rows, --min-span and --fuzzy.
void add_rule_options(CLI::App& app, ReuseOptions& rule);

}  // namespace kvs
