#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace kvs {

/// What --generate takes: "man", "complete-bash", "complete-zsh", "complete-fish".
const std::vector<std::string>& generated_pages();

/// The manual page of the tool, or a completion for a shell made from the tool's own options.
std::string generate(const CLI::App& app, const std::string& page);

/// The values that an option allows, where it allows only certain ones.
std::vector<std::string> allowed_values(const CLI::Option& option);

/// What a shell needs to know of one option.
struct CompletedOption {
  std::vector<std::string> short_names;  ///< without dash
  std::vector<std::string> long_names;   ///< without dashes
  std::vector<std::string> values;       ///< where only these are allowed
  std::string description;
  bool takes_value = false;
};

std::vector<CompletedOption> completed_options(const CLI::App& app);

std::string complete_bash(const CLI::App& app);
std::string complete_zsh(const CLI::App& app);
std::string complete_fish(const CLI::App& app);

}  // namespace kvs
