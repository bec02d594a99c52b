#include "kvs/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "kvs/error.h"

namespace kvs {
namespace {

void check_values(std::span<const double> values) {
  if (values.empty()) fail(ErrorKind::argument, "no values");
  if (std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); }))
    fail(ErrorKind::argument, "a value is not a number");
}

void check_pairs(std::span<const double> left, std::span<const double> right) {
  check_values(left);
  check_values(right);
  if (left.size() != right.size())
    fail(ErrorKind::argument, "bootstrap: {} values, expected as many as the other side's: {}",
         left.size(), right.size());
}

void check_options(size_t count, const BootstrapOptions& options) {
  if (count == 0) fail(ErrorKind::argument, "no values");
  if (options.resamples < 1)
    fail(ErrorKind::argument, "bootstrap: {} resamples, expected at least 1", options.resamples);
  if (!(options.confidence > 0 && options.confidence < 1))
    fail(ErrorKind::argument, "bootstrap: confidence {}, expected between 0 and 1",
         options.confidence);
}

double percentile_in_place(std::vector<double>& values, double p) {
  const double rank = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<int64_t>(rank);
  std::nth_element(values.begin(), values.begin() + below, values.end());
  const double low = values[below];
  if (rank == static_cast<double>(below)) return low;
  const double high = *std::min_element(values.begin() + below + 1, values.end());
  return low + (rank - static_cast<double>(below)) * (high - low);
}

}  // namespace

double percentile(std::span<const double> values, double p) {
  check_values(values);
  if (!(p >= 0 && p <= 1)) fail(ErrorKind::argument, "percentile: {}, expected 0 to 1", p);
  std::vector<double> copy(values.begin(), values.end());
  return percentile_in_place(copy, p);
}

double median(std::span<const double> values) {
  return percentile(values, 0.5);
}

double mean(std::span<const double> values) {
  check_values(values);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Interval bootstrap(size_t count, const std::function<double(std::span<const size_t>)>& statistic,
                   const BootstrapOptions& options) {
  check_options(count, options);
  // Its output is fixed by the standard, unlike distributions.
  std::mt19937_64 random(options.seed);
  std::vector<size_t> drawn(count);
  std::vector<double> results(options.resamples);
  for (double& result : results) {
    for (size_t& place : drawn)
      place = static_cast<size_t>(static_cast<double>(random() >> 11) * 0x1p-53 *
                                  static_cast<double>(count));
    result = statistic(drawn);
  }
  const double tail = (1 - options.confidence) / 2;
  return {percentile_in_place(results, tail), percentile_in_place(results, 1 - tail)};
}

Interval bootstrap_mean_difference(std::span<const double> left, std::span<const double> right,
                                   const BootstrapOptions& options) {
  check_pairs(left, right);
  const auto difference = [&](std::span<const size_t> drawn) {
    double sum = 0;
    for (const size_t pair : drawn) sum += left[pair] - right[pair];
    return sum / static_cast<double>(drawn.size());
  };
  return bootstrap(left.size(), difference, options);
}

Interval bootstrap_ratio_of_medians(std::span<const double> numerator,
                                    std::span<const double> denominator,
                                    const BootstrapOptions& options) {
  check_pairs(numerator, denominator);
  if (*std::min_element(denominator.begin(), denominator.end()) <= 0)
    fail(ErrorKind::argument, "bootstrap: a denominator is not above 0");
  std::vector<double> above(numerator.size());
  std::vector<double> below(numerator.size());
  const auto ratio = [&](std::span<const size_t> drawn) {
    for (size_t at = 0; at < drawn.size(); ++at) {
      above[at] = numerator[drawn[at]];
      below[at] = denominator[drawn[at]];
    }
    return percentile_in_place(above, 0.5) / percentile_in_place(below, 0.5);
  };
  return bootstrap(numerator.size(), ratio, options);
}

}  // namespace kvs
