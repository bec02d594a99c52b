#include "kvs/guard.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/least_squares.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr double kLeastKl = 1e-6;  // smaller ones are equal: the arithmetic's own noise
constexpr double kLeastMeasure = 0.01;
constexpr double kRidge = 0.1;
constexpr size_t kMostBudgets = 16;
// Limits to try, in this order until one breaks the promise: ln(max_kl) less so much.
constexpr double kStrictest = 6, kLaxest = 1.1, kStep = 0.1;

// Which samples the functions see; the others are for the limit, which needs more.
bool fits(size_t index) {
  return index % 3 == 0;
}

double log_kl(double kl) {
  return std::log(std::max(kl, kLeastKl));
}

using Features = std::vector<double>;

Features features_of_counts(const ReuseEvidence& e) {
  const double tokens = static_cast<double>(std::max<int64_t>(e.tokens, 1));
  const double kept = static_cast<double>(std::max<int64_t>(e.kept, 1));
  return {1.0,
          std::log(tokens),
          kept / tokens,
          static_cast<double>(e.moved) / kept,
          std::log1p(static_cast<double>(e.computed)),
          std::log1p(static_cast<double>(e.seams)),
          std::log1p(static_cast<double>(e.jumps))};
}

// Drift and mass enter as logarithms, since their effects multiply: attention to stale rows times
// how stale they are. Less than a hundredth counts as that much: there is none without an edit.
Features features_of(const ReuseEvidence& e) {
  Features features = features_of_counts(e);
  for (const double value : {e.kept_mass, e.edit_mass, e.halo_mass, e.key_drift, e.value_drift})
    features.push_back(std::log(std::max(value, kLeastMeasure)));
  return features;
}

double product(const std::vector<double>& weights, const Features& features) {
  return std::inner_product(weights.begin(), weights.end(), features.begin(), 0.0);
}

std::vector<double> numbers(const Json& json) {
  std::vector<double> values;
  for (const Json& value : json.as_array()) values.push_back(value.as_number());
  return values;
}

// `json` or its member `name`: so many rows of so many numbers.
std::vector<std::vector<double>> matrix(const Json& json, std::string_view name, size_t rows,
                                        size_t columns) {
  std::vector<std::vector<double>> values;
  for (const Json& row : (json.is_object() ? json.get(name) : json).as_array())
    values.push_back(numbers(row));
  if (values.size() != rows)
    fail(ErrorKind::format, "field '{}': expected {} rows, found {}", name, rows, values.size());
  for (const std::vector<double>& row : values)
    if (row.size() != columns)
      fail(ErrorKind::format, "field '{}': expected {} numbers in a row, found {}", name, columns,
           row.size());
  return values;
}

Json to_array(const std::vector<double>& values) {
  Json array{Json::Array{}};
  for (const double value : values) array.push(std::round(value * 1e6) / 1e6);
  return array;
}

Json to_arrays(const std::vector<std::vector<double>>& rows) {
  Json arrays{Json::Array{}};
  for (const std::vector<double>& row : rows) arrays.push(to_array(row));
  return arrays;
}

}  // namespace

double binomial_cdf(int64_t k, int64_t n, double p) {
  const auto log_factorial = [](int64_t i) { return std::lgamma(static_cast<double>(i) + 1); };
  double sum = 0;
  for (int64_t i = 0; i <= std::min(k, n); ++i)
    sum += std::exp(log_factorial(n) - log_factorial(i) - log_factorial(n - i) +
                    static_cast<double>(i) * std::log(p) +
                    static_cast<double>(n - i) * std::log1p(-p));
  return std::min(sum, 1.0);
}

Guard::Guard(std::vector<double> budgets, const std::vector<GuardSample>& samples,
             const GuardPromise& promise)
    : budgets_(std::move(budgets)) {
  if (samples.size() < kFewestSamples)
    fail(ErrorKind::argument, "a guard needs at least {} prompts with reuse, found {}",
         kFewestSamples, samples.size());
  std::vector<Features> counts, all;
  std::vector<std::vector<double>> targets(budgets_.size());
  for (size_t index = 0; index < samples.size(); ++index) {
    const GuardSample& sample = samples[index];
    if (sample.kl.size() != budgets_.size())
      fail(ErrorKind::argument, "sample {} has {} divergences, expected {}", index,
           sample.kl.size(), budgets_.size());
    if (!fits(index)) continue;
    counts.push_back(features_of_counts(sample.evidence));
    all.push_back(features_of(sample.evidence));
    for (size_t b = 0; b < budgets_.size(); ++b) targets[b].push_back(log_kl(sample.kl[b]));
  }
  for (const std::vector<double>& target : targets) {
    of_counts_.push_back(least_squares(counts, target, kRidge));
    of_all_.push_back(least_squares(all, target, kRidge));
  }
  for (size_t index = 0; index < samples.size(); ++index)
    if (!fits(index)) trials_.push_back(trial_of(samples[index]));
  calibrate(promise);
}

double Guard::expect(const ReuseEvidence& counts, size_t budget) const {
  return product(of_counts_[budget], features_of_counts(counts));
}

double Guard::predict(const ReuseEvidence& evidence, size_t budget) const {
  return product(of_all_[budget], features_of(evidence));
}

std::optional<Guard::Choice> Guard::budget_for(const ReuseEvidence& counts) const {
  const bool sure = expect(counts, 0) <= limit_ - kSure;
  for (size_t budget = 0; budget < budgets_.size(); ++budget)
    if (expect(counts, budget) <= limit_) return Choice{.budget = budgets_[budget], .sure = sure};
  return std::nullopt;
}

double Guard::budget_behind(const ReuseEvidence& evidence) const {
  for (size_t budget = 0; budget < budgets_.size(); ++budget)
    if (predict(evidence, budget) <= limit_) return budgets_[budget];
  return budgets_.back();
}

Guard::Trial Guard::trial_of(const GuardSample& sample) const {
  Trial trial{.kl = sample.kl};
  for (size_t budget = 0; budget < budgets_.size(); ++budget) {
    trial.expected.push_back(expect(sample.evidence, budget));
    trial.predicted.push_back(predict(sample.evidence, budget));
  }
  return trial;
}

std::optional<double> Guard::Trial::kl_under(double limit) const {
  if (expected.front() <= limit - kSure) return kl.front();
  if (*std::min_element(expected.begin(), expected.end()) > limit) return std::nullopt;
  for (size_t budget = 0; budget < predicted.size(); ++budget)
    if (predicted[budget] <= limit) return kl[budget];
  return kl.back();
}

Guard::Count Guard::count(const std::vector<Trial>& trials, double limit, double max_kl) {
  Count count;
  for (const Trial& trial : trials)
    if (const std::optional<double> kl = trial.kl_under(limit)) {
      ++count.accepted;
      count.broken += *kl > max_kl;
    }
  return count;
}

// The last limit before the first that fails is taken: the risk is that of a single test. The first
// one is where enough prompts are accepted for a test to tell something, whatever became of them.
void Guard::calibrate(const GuardPromise& promise) {
  limit_ = -std::numeric_limits<double>::infinity();
  const double laxest = std::log(promise.max_kl) - kLaxest;
  const int64_t most = count(trials_, laxest, promise.max_kl).accepted;
  const auto steps = static_cast<int>(std::round((kStrictest - kLaxest) / kStep));
  for (int step = 0; step <= steps; ++step) {
    const double limit = laxest - (steps - step) * kStep;
    const auto [accepted, broken] = count(trials_, limit, promise.max_kl);
    if (2 * accepted < most || std::pow(promise.confidence, accepted) > kRisk) continue;
    if (binomial_cdf(broken, accepted, 1 - promise.confidence) > kRisk) return;
    limit_ = limit;
  }
}

Guard::Verdict Guard::judge(const std::vector<GuardSample>& samples, double max_kl) const {
  std::vector<Trial> trials;
  trials.reserve(samples.size());
  for (const GuardSample& sample : samples) trials.push_back(trial_of(sample));
  const auto [accepted, broken] = count(trials, limit_, max_kl);
  return {.prompts = static_cast<int64_t>(samples.size()), .accepted = accepted, .broken = broken};
}

double Guard::Verdict::share_accepted() const {
  return prompts == 0 ? 0 : static_cast<double>(accepted) / static_cast<double>(prompts);
}

double Guard::Verdict::share_broken() const {
  return accepted == 0 ? 0 : static_cast<double>(broken) / static_cast<double>(accepted);
}

Json Guard::to_json() const {
  Json json;
  json.set("budgets", to_array(budgets_));
  json.set("of_counts", to_arrays(of_counts_));
  json.set("of_all", to_arrays(of_all_));
  Json trials{Json::Array{}};
  for (const Trial& trial : trials_)
    trials.push(to_arrays({trial.expected, trial.predicted, trial.kl}));
  json.set("trials", std::move(trials));
  return json;
}

Guard Guard::from_json(const Json& json, const std::string& source, const GuardPromise& promise) {
  Guard guard;
  try {
    guard.budgets_ = numbers(json.get("budgets"));
    const size_t budgets = guard.budgets_.size();
    if (budgets == 0 || budgets > kMostBudgets)
      fail(ErrorKind::format, "field 'budgets': expected 1 to {} of them, found {}", kMostBudgets,
           budgets);
    guard.of_counts_ = matrix(json, "of_counts", budgets, features_of_counts({}).size());
    guard.of_all_ = matrix(json, "of_all", budgets, features_of({}).size());
    for (const Json& trial : json.get("trials").as_array()) {
      const auto rows = matrix(trial, "trials", 3, budgets);
      guard.trials_.push_back({.expected = rows[0], .predicted = rows[1], .kl = rows[2]});
    }
  } catch (const Error& e) {
    fail(ErrorKind::format, "{}: guard: {}", source, e.what());
  }
  guard.calibrate(promise);
  return guard;
}

}  // namespace kvs
