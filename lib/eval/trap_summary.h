#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvs/json.h"
#include "kvs/reuse.h"

namespace kvs {

/// Which answer was the likelier one behind a prompt, and what that took.
struct TrapChoice {
  std::array<double, 2> log_likelihood{};  ///< of the answers, nats
  double hit_rate = 0, computed_share = 0;

  /// The first of equally likely ones.
  int answer() const { return log_likelihood[1] > log_likelihood[0] ? 1 : 0; }
};

using TrapChoices = std::array<TrapChoice, 2>;  ///< behind the two prompts of a pair

/// One contestant and its choices, one for each pair that counts.
struct TrapEntry {
  std::string name;
  std::optional<double> budget;
  ReuseOptions reuse;
  std::vector<TrapChoices> choices;
};

struct TrapResults {
  int64_t tried = 0;
  std::span<const std::string> kinds;  ///< of the pairs that count
  std::span<const TrapEntry> entries;  ///< the full run first
  const TrapEntry* noise = nullptr;    ///< null where none was made
  int noise_rows = 0;
};

/// The figures that kvs-eval(1) describes.
Json trap_figures(const TrapResults& results);

}  // namespace kvs
