#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kvs/evidence.h"
#include "kvs/export.h"
#include "kvs/json.h"

namespace kvs {

/// What one prompt taught: what its first pass measured, which is the same whatever the budget, and
/// how far the answer drifted with each of them.
struct GuardSample {
  ReuseEvidence evidence;
  std::vector<double> kl;  ///< in nats, one for each budget
};

struct GuardPromise {
  double max_kl = 0.05;      ///< KL(full || kvshare), mean over the first 32 tokens, in nats
  double confidence = 0.95;  ///< of accepted reuses, the share that keeps below it
};

/// Says how much of a prompt has to be computed anew so that the answer stays as it was, or that
/// nothing less than all would do. It predicts ln KL by two linear functions for each budget: from
/// the counts alone, and from all of the evidence. Before anything is computed, the first budget
/// whose prediction is below a limit is what it expects to need; where there is none, it refuses.
/// Where the smallest one is below it by kSure, that is the decision. Else it is taken behind the
/// first pass: the first budget for which what was measured says the same, or the last one. The
/// limit is the highest for which the promise holds on calibration prompts that the functions have
/// not seen, with these very steps: among the accepted ones P(KL > max_kl) <= 1 - confidence, at a
/// risk of kRisk that calibration was lucky. Assumes that prompts are drawn like the calibration
/// prompts, independently; limits above max_kl / 3 are not tried, so that no kind of prompt uses up
/// what the others leave. Source: Angelopoulos et al. 2021 (Learn then Test), fixed sequence
/// testing with exact binomial p-values; design, section 6.
class KVS_API Guard {
 public:
  static constexpr double kRisk = 0.1;
  static constexpr double kSure = 1;  ///< so far below the limit, in ln KL, nothing is measured
  static constexpr size_t kFewestSamples = 40;

  /// Fits to every third sample and finds the limit with the others.
  /// `budgets` ascend. Throws Error(argument) where there are fewer than 40 samples, or one has
  /// other than one divergence for each budget.
  Guard(std::vector<double> budgets, const std::vector<GuardSample>& samples,
        const GuardPromise& promise);

  /// As to_json() gives it; the limit is found anew for the promise. Throws Error(format), naming
  /// `source`, where it is something else.
  static Guard from_json(const Json& json, const std::string& source, const GuardPromise& promise);
  /// {"budgets","of_counts","of_all","trials"}.
  Json to_json() const;

  /// A share of the kept rows to compute anew.
  struct Choice {
    double budget = 0;
    bool sure = false;  ///< it need not be looked at again
  };
  /// Before anything is measured; none where the reuse is refused.
  std::optional<Choice> budget_for(const ReuseEvidence& counts) const;

  /// Behind the first pass of a reuse that was not refused.
  double budget_behind(const ReuseEvidence& evidence) const;

  /// Predicted ln KL with one of the budgets, from the counts alone and from all.
  double expect(const ReuseEvidence& counts, size_t budget) const;
  double predict(const ReuseEvidence& evidence, size_t budget) const;

  const std::vector<double>& budgets() const { return budgets_; }
  /// Of ln KL; minus infinity where no reuse can be accepted.
  double limit() const { return limit_; }

  /// What the limit does to the calibration prompts, or what it would do to others.
  struct Verdict {
    int64_t prompts = 0, accepted = 0, broken = 0;  ///< broken: accepted, and above max_kl
    double share_accepted() const;
    double share_broken() const;  ///< of the accepted ones
  };
  Verdict judge(const std::vector<GuardSample>& samples, double max_kl) const;

 private:
  Guard() = default;

  /// A calibration prompt: ln KL as predicted with each budget, and the KL that came.
  struct Trial {
    std::vector<double> expected, predicted, kl;

    /// What comes of it: KL; none where the prompt is refused.
    std::optional<double> kl_under(double limit) const;
  };
  struct Count {
    int64_t accepted = 0, broken = 0;
  };
  Trial trial_of(const GuardSample& sample) const;
  static Count count(const std::vector<Trial>& trials, double limit, double max_kl);
  void calibrate(const GuardPromise& promise);

  std::vector<double> budgets_;
  // Weights of the features, one set for each budget.
  std::vector<std::vector<double>> of_counts_, of_all_;
  std::vector<Trial> trials_;
  double limit_ = 0;
};

/// P(X <= k) for X binomial with n trials of probability p in (0, 1).
KVS_API double binomial_cdf(int64_t k, int64_t n, double p);

}  // namespace kvs
