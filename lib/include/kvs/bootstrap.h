#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "kvs/export.h"

namespace kvs {

/// Both ends included.
struct Interval {
  double low = 0;
  double high = 0;
};

struct BootstrapOptions {
  int resamples = 2000;      ///< at least 1
  double confidence = 0.95;  ///< in (0, 1)
  uint64_t seed = 1;         ///< the same seed gives the same interval, on every machine
};

/// The value below which the share `p` of the values lies, between neighbours in a straight line
/// (R's type 7, as numpy's default). `p` in [0, 1]. Throws Error(argument) where there are no
/// values or one is not a number.
KVS_API double percentile(std::span<const double> values, double p);
KVS_API double median(std::span<const double> values);
KVS_API double mean(std::span<const double> values);

/// Percentile interval of what `statistic` makes of the values at the places it is given, each
/// below `count`, drawn with replacement. Throws Error(argument) where `count` is 0 or an option is
/// out of range.
KVS_API Interval bootstrap(size_t count,
                           const std::function<double(std::span<const size_t>)>& statistic,
                           const BootstrapOptions& options = {});

/// Percentile intervals of paired values: whole pairs (the k-th of both) are drawn with
/// replacement, so that what both have in common cancels. All throw Error(argument) where there are
/// no values, the two have different lengths, a value is not a number, or an option is out of
/// range. Ratios also where a denominator is not above 0. Source: Efron and Tibshirani, "An
/// Introduction to the Bootstrap", 1993, chapter 13.
KVS_API Interval bootstrap_mean_difference(std::span<const double> left,
                                           std::span<const double> right,
                                           const BootstrapOptions& options = {});  ///< left - right
KVS_API Interval bootstrap_ratio_of_medians(std::span<const double> numerator,
                                            std::span<const double> denominator,
                                            const BootstrapOptions& options = {});

}  // namespace kvs
