#include "eval/summary.h"

#include <gtest/gtest.h>

namespace kvs::test {
namespace {

/// Two long prompts, of which one is similar to an earlier one, and two short ones.
class Summary : public testing::Test {
 protected:
  void SetUp() override {
    for (const int64_t tokens : {1500, 1000, 999, 300}) {
      WorkloadRequest request;
      request.similar = tokens != 1000;
      request.request.reference = "the cat sat on the mat and looked at the small dog";
      requests.push_back(request);
      Outcome outcome;
      outcome.reuse.prompt_tokens = tokens;
      outcome.reuse.computed = tokens;
      outcome.reuse.ttft_ms = static_cast<double>(tokens);
      outcome.text = "the cat sat on the mat and looked away";
      outcome.tokens = {1, 2};
      full.push_back(outcome);
    }
    ours = full;
  }

  Json summary() const {
    Json json;
    add_summary({requests, full, {}, true}, ours, json);
    return json;
  }

  static double number(const Json& json, const char* name) { return json.get(name).as_number(); }

  std::vector<WorkloadRequest> requests;
  std::vector<Outcome> full, ours;
};

TEST_F(Summary, TellsOfLongPromptsApart) {
  ours[0].reuse.ttft_ms = 100;
  ours[0].reuse.shifted = 1200;
  ours[0].kl = 0.02;
  ours[0].top1 = 0.5;
  ours[2].kl = 1;

  const Json json = summary();

  const Json& all = json.get("long");
  EXPECT_EQ(all.get("requests").as_int(), 2);
  EXPECT_NEAR(number(all, "speedup"), 1250.0 / 550, 1e-6);
  EXPECT_NEAR(number(all.get("kl"), "mean"), 0.01, 1e-6);
  EXPECT_NEAR(number(all, "hit_rate"), 1200.0 / 2500, 1e-6);
  const Json& similar = json.get("long_similar");
  EXPECT_EQ(similar.get("requests").as_int(), 1);
  EXPECT_NEAR(number(similar, "speedup"), 15, 1e-6);
  EXPECT_NEAR(number(similar, "top1_agreement"), 0.5, 1e-6);
  requests.erase(requests.begin(), requests.begin() + 2);
  full.erase(full.begin(), full.begin() + 2);
  ours.erase(ours.begin(), ours.begin() + 2);
  EXPECT_EQ(summary().get("long").dump(), R"({"requests":0})");
}

TEST_F(Summary, CountsWhatPlanningAndStoringTake) {
  for (Outcome& outcome : ours) {
    outcome.reuse.lookup_ms = 1;
    outcome.reuse.plan_ms = 2;
    outcome.reuse.load_ms = 4;
    outcome.store_ms = 8;
  }

  EXPECT_NEAR(number(summary().get("planning_ms"), "median"), 15, 1e-6);
}

TEST_F(Summary, GivesScoresIntervals) {
  for (Outcome& outcome : ours) outcome.kl = 0.25;
  const Json same = summary();
  EXPECT_EQ(same.get("kl").get("interval").dump(), "[0.25,0.25]");
  EXPECT_EQ(number(same.get("bleu_vs_reference_minus_full"), "value"), 0);
  EXPECT_EQ(same.get("bleu_vs_reference_minus_full").get("interval").dump(), "[0.0,0.0]");

  ours[1].text = "a bird";
  ours[1].top1 = 0.5;
  const Json json = summary();

  const Json& bleu = json.get("bleu_vs_reference_minus_full");
  EXPECT_NEAR(number(bleu, "value"),
              number(json, "bleu_vs_reference") - number(same, "bleu_vs_reference"), 1e-5);
  EXPECT_LT(bleu.get("interval").as_array()[0].as_number(), number(bleu, "value"));
  EXPECT_EQ(bleu.get("interval").as_array()[1].as_number(), 0);
  const Json::Array& top1 = json.get("top1_interval").as_array();
  EXPECT_LT(top1[0].as_number(), 0.875);
  EXPECT_EQ(top1[1].as_number(), 1);
}

}  // namespace
}  // namespace kvs::test
