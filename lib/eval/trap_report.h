#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/report_plots.h"
#include "eval/report_tables.h"
#include "kvs/bootstrap.h"
#include "kvs/report.h"

namespace kvs {

struct TrapPolicyFigures {
  std::string name;
  std::optional<double> budget;
  double agreement = 0;  ///< with the full run's choice
  std::optional<double> minus_noise;
  Interval minus_noise_interval;
  double correct = 0, hit_rate = 0, computed_share = 0;
};

/// What `kvs-eval traps` found.
struct TrapFigures {
  std::string name;  ///< "traps", with the file's name where there are several files
  std::string origin;
  int64_t pairs = 0, tried = 0;
  std::vector<TrapPolicyFigures> policies;  ///< empty where no pair counts
  std::optional<TrapPolicyFigures> noise_floor;
};

/// Throws as make_report does.
TrapFigures read_trap_figures(const EvaluationFile& file);

Table trap_table(const TrapFigures& traps);
/// Agreement against what was computed, a line for each policy.
Plot trap_plot(const TrapFigures& traps, const Palette& palette);

}  // namespace kvs
