#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kvs/response.h"
#include "serve/engine_loop.h"

namespace kvs {

/// Counts observations by size, as Prometheus' histograms do.
class Histogram {
 public:
  static constexpr std::array<double, 16> kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1,   0.25,   0.5,   1,    2.5,   5,
                                                  10,    30,     60,    120};  // seconds
  void observe(double seconds);
  /// The lines of one metric, without HELP and TYPE. `label`: as in reuse="yes", or empty.
  std::string text(const std::string& name, const std::string& label = "") const;

 private:
  std::array<int64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

/// What a server has done since it started. Everything is there from the start, as 0. Thread-safe.
class Metrics {
 public:
  Metrics();

  /// To be called before anything is counted, where there is a guard: what it may choose,
  /// ascending.
  void expect_guard(const std::vector<double>& budgets);

  void count_request(const std::string& route, int status);
  /// A choice that ended; `first_s`: from the request's arrival to its first token.
  void count_answer(const Response& response, double first_s);

  /// The text that Prometheus scrapes. Source: Prometheus exposition formats, text format 0.0.4.
  std::string text(const LoopState& state) const;

 private:
  void count_guard(const ReuseReport& reuse);
  std::string hits_text() const;

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;
  std::map<std::string, int64_t> finished_{
      {"stop", 0}, {"length", 0}, {"cancelled", 0}, {"error", 0}};
  std::map<std::pair<std::string, DonorPlace>, int64_t> hits_;  // by kind and place
  std::map<std::string, int64_t> declined_;
  // What the guard did: accepted with the least budget, with more, or declined.
  std::map<std::string, int64_t> guarded_{{"accepted", 0}, {"escalated", 0}, {"declined", 0}};
  std::map<double, int64_t> guard_budgets_;  // prompts by what it chose
  int64_t prompt_tokens_ = 0;
  int64_t generated_tokens_ = 0;
  int64_t recomputed_tokens_ = 0;
  int64_t computed_tokens_ = 0;
  Histogram ttft_reused_, ttft_computed_;  // where some of the prompt was reused, and not
  Histogram tpot_;
};

}  // namespace kvs
