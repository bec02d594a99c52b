#include "kvs/calibration.h"

#include <gtest/gtest.h>

#include "kvs/error.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

Json line(const std::string& id, const std::string& policy, const Json& budget, double kl,
          bool measured = true) {
  ReuseEvidence evidence{.tokens = 90, .kept = 60, .seams = 2, .measured = measured};
  evidence.kept_mass = 0.25;
  Json json;
  json.set("workload", "rag");
  json.set("id", id);
  json.set("policy", policy);
  json.set("budget", budget);
  json.set("kl", kl);
  json.set("evidence", policy == "full" ? Json() : evidence_to_json(evidence));
  return json;
}

const std::vector<Json> kDetails{
    line("a", "full", Json(), 0),         line("a", "kvshare", 0.01, 0.3),
    line("a", "kvshare", 0.1, 0.2),       line("b", "full", Json(), 0),
    line("b", "kvshare", 0.01, 0, false), line("b", "kvshare", 0.1, 0, false),
    line("c", "kvshare", 0.01, 0.03),     line("c", "kvshare", 0.1, 0.02)};

TEST(Calibration, TakesWhatEarlierRunsMeasured) {
  const auto sets = samples_of(kDetails, {0.01, 0.1}, "cal.jsonl");

  ASSERT_EQ(sets.size(), 1u);
  EXPECT_EQ(sets[0].workload, "rag");
  ASSERT_EQ(sets[0].samples.size(), 2u);
  EXPECT_EQ(sets[0].samples[0].kl, (std::vector{0.3, 0.2}));
  EXPECT_EQ(sets[0].samples[1].kl, (std::vector{0.03, 0.02}));
  EXPECT_EQ(sets[0].samples[1].evidence.kept, 60);
  EXPECT_EQ(sets[0].samples[1].evidence.kept_mass, 0.25);
  EXPECT_EQ(samples_of(kDetails, {0.1}, "cal.jsonl")[0].samples[1].kl, std::vector{0.02});
  EXPECT_TRUE(samples_of(kDetails, {0.2}, "cal.jsonl")[0].samples.empty());
}

TEST(Calibration, NamesWhatADetailLacks) {
  std::vector<Json> details = kDetails;
  details[2].set("kl", "much");
  const Error error = error_of([&] { samples_of(details, {0.01, 0.1}, "cal.jsonl"); });

  EXPECT_STREQ(error.what(), "cal.jsonl: line 3: expected number, found string");
}

}  // namespace
}  // namespace kvs::test
