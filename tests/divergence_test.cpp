#include "kvs/divergence.h"

#include <cmath>
#include <limits>
#include <vector>

#include "support/errors.h"

namespace kvs {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> logs(const std::vector<double>& weights, double shift = 0) {
  std::vector<float> logits;
  for (const double weight : weights)
    logits.push_back(static_cast<float>(std::log(weight) + shift));
  return logits;
}

TEST(Divergence, IsTheSumOfItsDefinition) {
  const double expected = 0.5 * std::log(0.5 / 0.25) + 0.25 * std::log(0.25 / 0.5);

  EXPECT_NEAR(kl_divergence(logs({2, 1, 1}), logs({1, 2, 1})), expected, 1e-6);
}

TEST(Divergence, IgnoresWhatSoftmaxIgnores) {
  const double plain = kl_divergence(logs({2, 1, 1}), logs({1, 2, 1}));

  EXPECT_NEAR(kl_divergence(logs({2, 1, 1}, 3000), logs({1, 2, 1}, -3000)), plain, 1e-3);
}

TEST(Divergence, OfARowFromItselfIsZero) {
  const auto row = logs({5, 1e-30, 3, 0.1});

  EXPECT_EQ(kl_divergence(row, row), 0);
}

TEST(Divergence, StaysExactWhereItIsTiny) {
  const std::vector<float> full(1000, 0.0F);
  std::vector<float> other(1000, 0.0F);
  other[0] = 1e-3F;
  const double p = 1e-3;  // second order: p (1 - p) delta^2 / 2

  EXPECT_NEAR(kl_divergence(full, other) / (p * (1 - p) * 1e-6 / 2), 1, 1e-3);
}

TEST(Divergence, KnowsImpossibleTokens) {
  const std::vector<float> some{0, -kInfinity};
  const std::vector<float> all{0, 0};

  EXPECT_NEAR(kl_divergence(some, all), std::log(2), 1e-12);
  EXPECT_EQ(kl_divergence(all, some), std::numeric_limits<double>::infinity());
  EXPECT_EQ(kl_divergence(some, some), 0);
}

TEST(Divergence, ComparesTheTopTokens) {
  EXPECT_EQ(top_token(std::vector<float>{1, 3, 3}), 1);
  EXPECT_TRUE(top1_agrees(std::vector<float>{1, 3}, std::vector<float>{-9, -8}));
  EXPECT_FALSE(top1_agrees(std::vector<float>{1, 3}, std::vector<float>{3, 1}));
}

TEST(Divergence, GivesLogProbabilities) {
  EXPECT_NEAR(log_probability(logs({2, 1, 1}, 500), 0), std::log(0.5), 1e-4);
}

TEST(Divergence, RefusesWhatAreNoLogits) {
  const std::vector<float> one{0};
  const std::vector<float> two{0, 0};
  const std::vector<float> none{-kInfinity};
  const std::vector<float> nan{std::nanf("")};

  EXPECT_STREQ(test::error_of([&] { kl_divergence(one, two); }).what(),
               "logits: rows of 1 and 2 tokens, expected the same");
  EXPECT_STREQ(test::error_of([&] { kl_divergence({}, {}); }).what(), "logits: no values");
  EXPECT_STREQ(test::error_of([&] { kl_divergence(one, none); }).what(),
               "logits: no token is possible");
  EXPECT_STREQ(test::error_of([&] { kl_divergence(nan, one); }).what(), "logits: nan is no logit");
  EXPECT_STREQ(test::error_of([&] { top_token({}); }).what(), "logits: no values");
  EXPECT_STREQ(test::error_of([&] { log_probability(one, 1); }).what(),
               "logits: no token 1 among 1");
}

}  // namespace
}  // namespace kvs
