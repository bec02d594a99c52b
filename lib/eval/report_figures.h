#pragma once

#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kvs/bootstrap.h"
#include "kvs/report.h"

namespace kvs {

inline constexpr std::array<const char*, 5> kReuseSteps{"10", "30", "50", "70", "90"};

/// How the tokens of one part of the prompts came about; shares.
struct PartFigures {
  double exact = 0, shifted = 0, recomputed = 0, computed = 0;

  double reused() const { return exact + shifted; }
};

/// Over the prompts of 1,000 tokens and more that have a similar earlier one.
struct LongFigures {
  int64_t requests = 0;
  double speedup = 0;
  double kl_mean = 0;
  double top1_agreement = 0;
};

/// A score less that of the full run.
struct ScoreDifference {
  double value = 0;
  Interval interval;
};

/// One policy at one budget; what the evaluation does not know (null) is empty.
struct PolicyFigures {
  std::string name;
  std::optional<double> budget;
  int donor_depth = 0;
  double hit_rate = 0;
  std::optional<double> hit_rate_similar;
  std::array<double, kReuseSteps.size()> reused_over{};
  std::vector<PartFigures> reused_by_position;  ///< from the prompts' beginning; empty if unknown
  double ttft_median_ms = 0, ttft_p95_ms = 0;
  double speedup = 0;
  Interval speedup_interval;
  std::optional<double> background_compute;
  double kl_mean = 0, kl_p95 = 0;
  double top1_agreement = 0;
  std::optional<double> exact_match;
  std::optional<double> rouge_l_vs_full, rouge_l_vs_reference;
  std::optional<double> bleu_vs_full;
  std::optional<ScoreDifference> bleu_minus_full, rouge_l_minus_full;  ///< against references
  std::optional<double> ttft_ratio_p95;  ///< of the full run's, request by request
  std::optional<int64_t> declined;       ///< reuses
  std::optional<LongFigures> long_similar;
  std::vector<double> ttft_ms;  ///< of each request, sorted; empty without details

  /// "epic", "epic 0.15" or "epic 0.15 d2" where approximate rows up to depth 2 are donors.
  std::string label() const;
};

struct WorkloadFigures {
  std::string name;       ///< with the file's name where there are several files
  std::string isolation;  ///< "shared" or "private"
  std::string origin;     ///< model, machine, commit
  int64_t requests = 0;
  std::vector<PolicyFigures> policies;
  std::optional<PolicyFigures> noise_floor;

  /// "rag" or "rag (private)".
  std::string label() const;
};

/// The figures of one file, with the times that its details give. Throws as make_report does.
std::vector<WorkloadFigures> read_workload_figures(const EvaluationFile& file);

}  // namespace kvs
