#include "kvs/bootstrap.h"

#include <cmath>
#include <random>
#include <vector>

#include "support/errors.h"

namespace kvs {
namespace {

std::vector<double> normal_values(int count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> values(count);
  for (double& value : values) value = normal(random);
  return values;
}

TEST(Bootstrap, TakesPercentilesAsNumpyDoes) {
  const std::vector<double> values{4, 1, 3, 2};

  EXPECT_EQ(percentile(values, 0), 1);
  EXPECT_EQ(percentile(values, 1), 4);
  EXPECT_DOUBLE_EQ(percentile(values, 0.95), 3.85);
  EXPECT_DOUBLE_EQ(median(values), 2.5);
  EXPECT_DOUBLE_EQ(mean(values), 2.5);
  EXPECT_EQ(median(std::vector<double>{7}), 7);
}

TEST(Bootstrap, GivesTheIntervalOfTheNormalApproximation) {
  const std::vector<double> left = normal_values(400, 1);
  const std::vector<double> right(left.size(), 0.0);
  const double centre = mean(left);
  double squares = 0;
  for (const double value : left) squares += (value - centre) * (value - centre);
  const double error = std::sqrt(squares / 400 / 400);

  const Interval interval = bootstrap_mean_difference(left, right, {.resamples = 5000});

  EXPECT_NEAR(interval.low, centre - 1.96 * error, 0.1 * error);
  EXPECT_NEAR(interval.high, centre + 1.96 * error, 0.1 * error);
}

TEST(Bootstrap, CancelsWhatPairsHaveInCommon) {
  std::vector<double> left, right;
  for (const double value : normal_values(100, 2)) {
    right.push_back(1000 + 100 * value);
    left.push_back(right.back() + 1);
  }

  const Interval interval = bootstrap_mean_difference(left, right);

  EXPECT_NEAR(interval.low, 1, 1e-9);
  EXPECT_NEAR(interval.high, 1, 1e-9);
}

TEST(Bootstrap, EnclosesTheRatioOfMedians) {
  std::vector<double> full, fast;
  for (const double value : normal_values(200, 3)) {
    full.push_back(900 + 100 * value);
    fast.push_back(100 + 5 * std::sin(value * 50));
  }

  const Interval interval = bootstrap_ratio_of_medians(full, fast);

  EXPECT_LT(interval.low, median(full) / median(fast));
  EXPECT_GT(interval.high, median(full) / median(fast));
  EXPECT_LT(interval.high - interval.low, 1);
  EXPECT_GT(interval.low, 8);
}

TEST(Bootstrap, TakesAnyStatistic) {
  const std::vector<double> values = normal_values(50, 6);
  const auto mean_of = [&](std::span<const size_t> places) {
    double sum = 0;
    for (const size_t place : places) sum += values.at(place);
    return sum / static_cast<double>(places.size());
  };

  const Interval any = bootstrap(values.size(), mean_of);

  const Interval mean = bootstrap_mean_difference(values, std::vector<double>(50, 0.0));
  EXPECT_EQ(any.low, mean.low);
  EXPECT_EQ(any.high, mean.high);
  EXPECT_STREQ(test::error_of([&] { bootstrap(0, mean_of); }).what(), "no values");
}

TEST(Bootstrap, DependsOnTheSeedOnly) {
  const std::vector<double> left = normal_values(50, 4);
  const std::vector<double> right = normal_values(50, 5);

  const Interval first = bootstrap_mean_difference(left, right, {.seed = 9});
  const Interval again = bootstrap_mean_difference(left, right, {.seed = 9});
  const Interval other = bootstrap_mean_difference(left, right, {.seed = 10});

  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_NE(first.low, other.low);
}

TEST(Bootstrap, RefusesWhatHasNoInterval) {
  const std::vector<double> one{1};
  const std::vector<double> two{1, 2};
  const std::vector<double> zero{0};
  const std::vector<double> nan{std::nan("")};

  EXPECT_STREQ(test::error_of([&] { median({}); }).what(), "no values");
  EXPECT_STREQ(test::error_of([&] { mean(nan); }).what(), "a value is not a number");
  EXPECT_STREQ(test::error_of([&] { percentile(one, 2); }).what(),
               "percentile: 2, expected 0 to 1");
  EXPECT_STREQ(test::error_of([&] { bootstrap_mean_difference(one, two); }).what(),
               "bootstrap: 1 values, expected as many as the other side's: 2");
  EXPECT_STREQ(test::error_of([&] { bootstrap_ratio_of_medians(one, zero); }).what(),
               "bootstrap: a denominator is not above 0");
  EXPECT_STREQ(
      test::error_of([&] { bootstrap_mean_difference(one, one, {.resamples = 0}); }).what(),
      "bootstrap: 0 resamples, expected at least 1");
  EXPECT_STREQ(
      test::error_of([&] { bootstrap_mean_difference(one, one, {.confidence = 1}); }).what(),
      "bootstrap: confidence 1, expected between 0 and 1");
}

}  // namespace
}  // namespace kvs
