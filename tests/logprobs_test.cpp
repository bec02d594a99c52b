#include "kvs/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace kvs::test {
namespace {

TEST(Logprobs, AreThoseOfTheSoftmax) {
  // Probabilities 0.25, 0.5, 0.25.
  const std::vector<float> logits{0, std::log(2.0f), 0};

  const Logprobs logprobs = logprobs_of(logits, 2, 2);

  EXPECT_EQ(logprobs.chosen.token, 2);
  EXPECT_NEAR(logprobs.chosen.logprob, std::log(0.25), 1e-7);
  ASSERT_EQ(logprobs.top.size(), 2u);
  EXPECT_EQ(logprobs.top[0].token, 1);
  EXPECT_NEAR(logprobs.top[0].logprob, std::log(0.5), 1e-7);
  EXPECT_EQ(logprobs.top[1].token, 0);  // of equal ones the lower id
}

TEST(Logprobs, StayFiniteForLargeLogits) {
  const std::vector<float> logits{1e30f, -1e30f, 1e30f};

  EXPECT_NEAR(logprobs_of(logits, 0, 0).chosen.logprob, std::log(0.5), 1e-7);
}

TEST(Logprobs, TakeNanForImpossible) {
  const std::vector<float> logits{std::numeric_limits<float>::quiet_NaN(), 1};

  const Logprobs logprobs = logprobs_of(logits, 0, 5);

  EXPECT_TRUE(std::isinf(logprobs.chosen.logprob));
  EXPECT_EQ(logprobs.top.size(), 2u);
  EXPECT_EQ(logprobs.top[0], (TokenLogprob{1, 0}));
}

}  // namespace
}  // namespace kvs::test
