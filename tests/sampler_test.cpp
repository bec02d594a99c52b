#include "kvs/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <utility>

#include "support/errors.h"

namespace kvs::test {
namespace {

std::map<int32_t, int> draw(const SamplingOptions& options, const std::vector<float>& logits,
                            int times) {
  Sampler sampler(options);
  std::map<int32_t, int> counts;
  for (int i = 0; i < times; ++i) ++counts[sampler.sample(logits, {})];
  return counts;
}

TEST(Sampler, TakesTheFirstOfEqualBestTokens) {
  EXPECT_EQ(Sampler({}).sample(std::vector<float>{1, 3, 2, 3}, {}), 1);
}

TEST(Sampler, NeverTakesNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();

  EXPECT_EQ(argmax(std::vector<float>{nan, -5, nan}), 1);
}

TEST(Sampler, DrawsInProportionToProbability) {
  // Probabilities 0.5, 0.25, 0.25 at temperature 1.
  const std::vector<float> logits{std::log(2.0f), 0, 0};

  const auto counts = draw({.temperature = 1, .seed = 7}, logits, 20000);

  EXPECT_NEAR(counts.at(0), 10000, 300);  // four standard deviations
  EXPECT_NEAR(counts.at(1), 5000, 250);
}

TEST(Sampler, SharpensWithLowTemperature) {
  const std::vector<float> logits{std::log(2.0f), 0};  // at 0.5: 4 to 1

  const auto counts = draw({.temperature = 0.5, .seed = 7}, logits, 20000);

  EXPECT_NEAR(counts.at(0), 16000, 250);
}

TEST(Sampler, KeepsOnlyTheBestKTokens) {
  const auto counts = draw({.temperature = 5, .top_k = 2}, {1, 2, 3, 0}, 2000);

  EXPECT_EQ(counts.size(), 2u);
  EXPECT_TRUE(counts.count(1) && counts.count(2));
}

TEST(Sampler, KeepsTheFewestTokensThatHoldTopP) {
  const std::vector<float> logits{std::log(6.0f), std::log(3.0f), 0};  // 0.6 0.3 0.1

  EXPECT_EQ(draw({.temperature = 1, .top_p = 0.5}, logits, 500).size(), 1u);
  EXPECT_EQ(draw({.temperature = 1, .top_p = 0.7}, logits, 500).size(), 2u);
  EXPECT_EQ(draw({.temperature = 1, .top_p = 0}, logits, 500).size(), 1u);
}

TEST(Sampler, DropsTokensBelowMinP) {
  const std::vector<float> logits{std::log(6.0f), std::log(3.0f), 0};

  EXPECT_EQ(draw({.temperature = 1, .min_p = 0.4}, logits, 500).size(), 2u);
}

TEST(Sampler, PenalisesSeenTokensAlsoWhenGreedy) {
  const std::vector<float> logits{3, 2, -1};

  EXPECT_EQ(Sampler({.repetition_penalty = 2}).sample(logits, std::vector<int32_t>{0}), 1);
}

TEST(Sampler, PenalisesOnlyTheAnswersTokensByPresence) {
  const std::vector<float> logits{3, 2.5f, 2};
  const std::vector<int32_t> history{0, 1};  // a prompt of one token, an answer of one

  Sampler sampler({.presence_penalty = 2});

  EXPECT_EQ(sampler.sample(logits, history, 1), 0);
  EXPECT_EQ(sampler.sample(logits, history, 0), 2);
}

TEST(Sampler, PenalisesEachTimeByFrequency) {
  const std::vector<float> logits{3, 1.5f};

  Sampler sampler({.frequency_penalty = 1});

  EXPECT_EQ(sampler.sample(logits, std::vector<int32_t>{0}), 0);
  EXPECT_EQ(sampler.sample(logits, std::vector<int32_t>{0, 0}), 1);
}

TEST(Sampler, AddsBiasesToLogits) {
  const std::vector<float> logits{1, 2, 3};

  EXPECT_EQ(Sampler({.logit_bias = {{0, 2.5}}}).sample(logits, {}), 0);
  EXPECT_EQ(Sampler({.logit_bias = {{2, -100}}}).sample(logits, {}), 1);
  EXPECT_EQ(Sampler({.logit_bias = {{7, 100}, {-1, 100}}}).sample(logits, {}), 2);
}

TEST(Sampler, NeverDrawsWhatIsBiasedAway) {
  const auto counts = draw({.temperature = 1, .logit_bias = {{0, -100}}}, {1, 1, 1}, 500);

  EXPECT_EQ(counts.count(0), 0u);
  EXPECT_EQ(counts.size(), 2u);
}

TEST(Sampler, RepeatsItselfWithTheSameSeed) {
  const std::vector<float> logits{1, 2, 3, 4};

  EXPECT_EQ(draw({.temperature = 2, .seed = 3}, logits, 100),
            draw({.temperature = 2, .seed = 3}, logits, 100));
  EXPECT_NE(draw({.temperature = 2, .seed = 3}, logits, 100),
            draw({.temperature = 2, .seed = 4}, logits, 100));
}

// The definition: sort everything, drop what top-p does not need, walk until the draw is used up.
int32_t drawn_from_all(const std::vector<float>& logits, double top_p, std::mt19937_64& random) {
  std::vector<std::pair<double, int32_t>> sorted;
  for (size_t token = 0; token < logits.size(); ++token)
    sorted.emplace_back(-logits[token], static_cast<int32_t>(token));
  std::sort(sorted.begin(), sorted.end());
  double all = 0, kept = 0;
  const double best = sorted.front().first;
  for (auto& [weight, token] : sorted) all += weight = std::exp(best - weight);
  size_t count = 0;
  while (count < sorted.size() && kept < top_p * all) kept += sorted[count++].first;
  double left = static_cast<double>(random() >> 11) * 0x1p-53 * kept;
  for (size_t place = 0; place < count; ++place)
    if ((left -= sorted[place].first) < 0) return sorted[place].second;
  return sorted[count - 1].second;
}

TEST(Sampler, DrawsAsIfEveryTokenWereSorted) {
  std::vector<float> logits(5000);
  std::mt19937 noise(1);
  for (float& logit : logits) logit = static_cast<float>(noise() % 4000) / 1000;  // flat, with ties

  for (const double top_p : {1.0, 0.9, 0.3}) {
    Sampler sampler({.temperature = 1, .top_p = top_p, .seed = 9});
    std::mt19937_64 random(9);
    for (int time = 0; time < 200; ++time)
      EXPECT_EQ(sampler.sample(logits, {}), drawn_from_all(logits, top_p, random));
  }
}

// What sample_some() is given, by definition: its own tokens' logits, and the largest of the
// others.
std::vector<TopLogit> some_of(const Sampler& sampler, const std::vector<float>& logits,
                              const std::vector<int32_t>& history, size_t prompt_tokens) {
  const auto vocab = static_cast<int32_t>(logits.size());
  const std::vector<int32_t> own = sampler.own_tokens(history, prompt_tokens, vocab);
  std::vector<TopLogit> some, others;
  for (int32_t token = 0; token < vocab; ++token)
    (std::count(own.begin(), own.end(), token) > 0 ? some : others)
        .push_back({token, logits[token]});
  std::stable_sort(others.begin(), others.end(),
                   [](const TopLogit& a, const TopLogit& b) { return a.logit > b.logit; });
  others.resize(sampler.needed());
  some.insert(some.begin(), others.begin(), others.end());
  return some;
}

TEST(Sampler, DrawsTheSameFromTheFewLogitsThatCount) {
  std::mt19937 noise(5);
  const std::vector<int32_t> history{7, 3, 3, 499, 0, 12, 7};
  for (const SamplingOptions& options : std::vector<SamplingOptions>{
           {},
           {.repetition_penalty = 1.3},
           {.presence_penalty = 1, .frequency_penalty = 0.5, .logit_bias = {{20, 3}, {900, 1}}},
           {.temperature = 0.8, .top_k = 1},
           {.temperature = 1, .top_k = 40, .seed = 3},
           {.temperature = 1.5, .repetition_penalty = 0.7, .top_k = 5, .top_p = 0.8, .min_p = 0.1},
           {.temperature = 2, .top_k = 64, .frequency_penalty = -2, .logit_bias = {{499, 1.5}}}}) {
    Sampler all(options), few(options);
    for (int time = 0; time < 100; ++time) {
      std::vector<float> logits(500);
      for (float& logit : logits) logit = static_cast<float>(noise() % 60) / 10;  // with ties
      const std::vector<TopLogit> some = some_of(few, logits, history, 2);

      ASSERT_EQ(few.sample_some(some, history, 2), all.sample(logits, history, 2)) << time;
    }
  }
}

TEST(Sampler, NeedsAllLogitsWhereEveryTokenMayBeDrawn) {
  EXPECT_EQ(Sampler({}).needed(), 1);
  EXPECT_EQ(Sampler({.temperature = 1, .top_k = 64}).needed(), 64);
  EXPECT_EQ(Sampler({.temperature = 1, .top_k = 65}).needed(), 0);
  EXPECT_EQ(Sampler({.temperature = 1, .top_p = 0.9}).needed(), 0);
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  EXPECT_STREQ(error_of([] { Sampler({.temperature = -1}); }).what(),
               "temperature: found -1, expected 0 to 100");
  EXPECT_STREQ(error_of([] { Sampler({.top_p = 1.5}); }).what(),
               "top_p: found 1.5, expected 0 to 1");
  EXPECT_STREQ(error_of([] { Sampler({.presence_penalty = 3}); }).what(),
               "presence_penalty: found 3, expected -2 to 2");
  EXPECT_STREQ(error_of([] {
                 Sampler({.logit_bias = {{1, 101}}});
               }).what(),
               "logit_bias: found 101, expected -100 to 100");
}

}  // namespace
}  // namespace kvs::test
