#include "kvs/guard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "kvs/engine.h"
#include "kvs/error.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

ReuseEvidence evidence_with(int64_t edits, double kept_mass) {
  return {.tokens = 1000,
          .kept = 900,
          .computed = edits,
          .seams = 2,
          .measured = true,
          .kept_mass = kept_mass,
          .edit_mass = 0.01,
          .halo_mass = 0.1,
          .key_drift = 0.5,
          .value_drift = 0.2};
}

/// Prompts whose divergence falls with the budget and grows with the edits and the attention to
/// kept rows, up to noise: what a guard can learn.
std::vector<GuardSample> samples(int count, unsigned seed, double scale = 1) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> mass(-3, 0.7), noise(0, 0.3);
  std::uniform_int_distribution<int64_t> edits(5, 60);
  std::vector<GuardSample> made;
  for (int i = 0; i < count; ++i) {
    const ReuseEvidence evidence = evidence_with(edits(random), mass(random));
    GuardSample sample{.evidence = evidence};
    for (const double share : {0.02, 0.004})
      sample.kl.push_back(scale * share * static_cast<double>(evidence.computed) *
                          evidence.kept_mass * noise(random));
    made.push_back(sample);
  }
  return made;
}

Guard guard_for(const std::vector<GuardSample>& calibration, const GuardPromise& promise = {}) {
  return {{0, 0.2}, calibration, promise};
}

TEST(Guard, KeepsItsPromiseOnPromptsItHasNotSeen) {
  int kept = 0;
  constexpr int kRuns = 40;
  for (unsigned run = 0; run < kRuns; ++run) {
    const Guard guard = guard_for(samples(300, run));
    const Guard::Verdict verdict = guard.judge(samples(2000, 1000 + run), 0.05);
    EXPECT_GT(verdict.share_accepted(), 0.4);
    kept += verdict.share_broken() <= 0.05;
  }
  // At a risk of a tenth; 32 of 40 leaves room for chance.
  EXPECT_GE(kept, 32);
}

TEST(Guard, ComputesMoreWhereItExpectsMore) {
  const Guard guard = guard_for(samples(400, 1));

  EXPECT_EQ(guard.budget_for(evidence_with(5, 0))->budget, 0);
  EXPECT_EQ(guard.budget_for(evidence_with(60, 0))->budget, 0.2);
  EXPECT_FALSE(guard.budget_for(evidence_with(5000, 0)));
  EXPECT_GT(guard.expect(evidence_with(30, 0), 0), guard.expect(evidence_with(30, 0), 1));
}

TEST(Guard, IsSureFarBelowItsLimit) {
  const Guard guard = guard_for(samples(400, 1));
  int sure = 0, unsure = 0;
  for (int64_t edits = 1; edits < 60; ++edits) {
    const ReuseEvidence evidence = evidence_with(edits, 0);
    const bool expected = guard.expect(evidence, 0) <= guard.limit() - Guard::kSure;
    EXPECT_EQ(guard.budget_for(evidence)->sure, expected);
    expected ? ++sure : ++unsure;
  }
  EXPECT_GT(sure, 0);
  EXPECT_GT(unsure, 0);
}

TEST(Guard, DecidesBehindTheFirstPass) {
  const Guard guard = guard_for(samples(400, 1));

  EXPECT_EQ(guard.budget_behind(evidence_with(20, 0.01)), 0);
  EXPECT_EQ(guard.budget_behind(evidence_with(20, 0.1)), 0.2);
  EXPECT_EQ(guard.budget_behind(evidence_with(20, 5)), 0.2);
}

TEST(Guard, RefusesAllWhereNothingKeepsThePromise) {
  const Guard guard = guard_for(samples(400, 3, /*scale=*/1e4));
  const auto unseen = samples(50, 4);

  EXPECT_EQ(guard.limit(), -std::numeric_limits<double>::infinity());
  EXPECT_FALSE(guard.budget_for(unseen[0].evidence));
  EXPECT_EQ(guard.judge(unseen, 0.05).accepted, 0);
}

TEST(Guard, AcceptsAllWhereNothingDrifts) {
  const Guard guard = guard_for(samples(400, 5, /*scale=*/1e-4));

  for (const GuardSample& sample : samples(50, 6)) {
    EXPECT_EQ(guard.budget_for(sample.evidence)->budget, 0);
  }
  EXPECT_GT(guard.judge(samples(500, 7), 0.05).share_accepted(), 0.97);
}

TEST(Guard, IsStricterWhereMoreIsPromised) {
  const auto calibration = samples(600, 8, /*scale=*/3);
  const double usual = guard_for(calibration).limit();

  EXPECT_LT(guard_for(calibration, {.confidence = 0.99}).limit(), usual);
  EXPECT_LT(guard_for(calibration, {.max_kl = 0.005}).limit(), usual);
}

TEST(Guard, SurvivesItsFile) {
  const Guard guard = guard_for(samples(200, 9));
  const Json json = Json::parse(guard.to_json().dump(), "policy.json");

  const Guard read = Guard::from_json(json, "policy.json", {});
  const Guard stricter = Guard::from_json(json, "policy.json", {.max_kl = 0.01});

  EXPECT_NEAR(read.limit(), guard.limit(), 1e-5);
  EXPECT_LT(stricter.limit(), read.limit());
  const ReuseEvidence evidence = evidence_with(20, 0.05);
  EXPECT_NEAR(read.predict(evidence, 1), guard.predict(evidence, 1), 1e-4);
}

std::string refusal(const std::string& text) {
  try {
    Guard::from_json(Json::parse(text, "p.json"), "p.json", {});
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Guard, NamesWhatItsFileLacks) {
  EXPECT_EQ(refusal("{}"), "p.json: guard: field 'budgets' is missing");
  EXPECT_EQ(refusal(R"({"budgets":[]})"),
            "p.json: guard: field 'budgets': expected 1 to 16 of them, found 0");
  EXPECT_EQ(refusal(R"({"budgets":[0.1],"of_counts":[[1]]})"),
            "p.json: guard: field 'of_counts': expected 7 numbers in a row, found 1");
  EXPECT_EQ(refusal(R"({"budgets":[0.1],"of_counts":[]})"),
            "p.json: guard: field 'of_counts': expected 1 rows, found 0");
}

/// An engine whose guard finds ln KL to be `expected` from any counts, and `predicted` from all of
/// the evidence, with a budget of 0.01; with 0.5 `expected_with_more`, and far below its limit.
ReuseReport reuse_under(double expected, double predicted, double expected_with_more) {
  Json json, trials{Json::Array{}};
  const Json low(Json::Array{-10, -10}), zeros(Json::Array{0, 0});
  for (int i = 0; i < 100; ++i) trials.push(Json::Array{low, low, zeros});
  const auto weights = [](double value, double other, size_t size) {
    Json::Array first{value}, second{other};
    first.resize(size, 0);
    second.resize(size, 0);
    return Json::Array{Json(first), Json(second)};
  };
  json.set("budgets", Json::Array{0.01, 0.5});
  json.set("of_counts", weights(expected, expected_with_more, 7));
  json.set("of_all", weights(predicted, -10, 12));
  json.set("trials", std::move(trials));
  const Guard guard = Guard::from_json(json, "p.json", {});

  TinyModel model(data_path("stories260K.gguf"));
  Engine engine(model.transformer, nullptr, {.max_blocks = 64, .kv_type = DType::f32});
  std::vector<int32_t> tokens(150);
  for (int i = 0; i < 150; ++i) tokens[i] = 300 + i;
  engine.run({.id = "old", .tokens = tokens, .max_tokens = 0});
  std::rotate(tokens.begin(), tokens.begin() + 1, tokens.begin() + 17);  // no run of 24
  Task task{.id = "new", .tokens = tokens, .max_tokens = 1};
  task.reuse = {.policy = Policy::kvshare, .sinks = 2, .halo = 2, .last = 4, .guard = &guard};
  return engine.run(task).reuse;
}

TEST(Guard, SaysBeforeAndBehindTheFirstPassWhatIsComputed) {
  const double limit = std::log(0.05) - 1.1;

  const ReuseReport sure = reuse_under(limit - 2, limit + 1, limit - 2);
  EXPECT_EQ(sure.shifted, 150 - 17 - 6 - 2);  // halo and last, and two rows of a wider halo
  EXPECT_EQ(sure.budget, 0.01);
  EXPECT_FALSE(sure.evidence.measured);

  const ReuseReport confirmed = reuse_under(limit - 0.5, limit - 0.5, limit - 0.5);
  EXPECT_EQ(confirmed.shifted, sure.shifted);
  EXPECT_EQ(confirmed.budget, 0.01);
  EXPECT_TRUE(confirmed.evidence.measured);

  const ReuseReport lowered = reuse_under(limit + 0.5, limit - 0.5, limit - 0.5);
  EXPECT_EQ(lowered.shifted, sure.shifted);
  EXPECT_EQ(lowered.budget, 0.01);
  EXPECT_EQ(lowered.evidence.key_drift, confirmed.evidence.key_drift);

  const ReuseReport raised = reuse_under(limit - 0.5, limit + 1, limit - 0.5);
  EXPECT_LT(raised.shifted, 80);
  EXPECT_EQ(raised.budget, 0.5);

  const ReuseReport refused = reuse_under(limit + 1, limit - 0.5, limit + 1);
  EXPECT_EQ(refused.shifted, 0);
  EXPECT_EQ(refused.reason, ReuseReason::guard);
}

TEST(Guard, NeedsEnoughSamples) {
  EXPECT_THROW(guard_for(samples(39, 1)), Error);
  auto uneven = samples(80, 1);
  uneven[3].kl.pop_back();
  EXPECT_THROW(guard_for(uneven), Error);
}

TEST(Binomial, AddsUpItsTerms) {
  EXPECT_NEAR(binomial_cdf(0, 10, 0.05), std::pow(0.95, 10), 1e-12);
  EXPECT_NEAR(binomial_cdf(1, 2, 0.25), 1 - 0.0625, 1e-12);
  EXPECT_NEAR(binomial_cdf(10, 10, 0.3), 1, 1e-12);
  EXPECT_EQ(binomial_cdf(-1, 10, 0.3), 0);
}

}  // namespace
}  // namespace kvs::test
