#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace kvs {

/// How kvs-index remove, pin, unpin and expire are called.
struct IndexChangeOptions {
  std::string folder;
  std::vector<std::string> ids;
  std::vector<std::string> tenants;
  std::vector<std::string> archives;
  std::string older_than;
};

void add_change_options(CLI::App& app, IndexChangeOptions& options);
void add_expire_options(CLI::App& app, IndexChangeOptions& options);

/// Both return the exit code: 1 where no donor fits.
int remove_donors(const IndexChangeOptions& options);
int pin_donors(const IndexChangeOptions& options, bool pinned);
/// Removes what is old and not pinned. Returns the exit code.
int expire_donors(const IndexChangeOptions& options);

/// Seconds of "90s", "15m", "12h", "30d" or "2w". Throws Error(argument) for anything else.
int64_t parse_age(const std::string& text);

}  // namespace kvs
