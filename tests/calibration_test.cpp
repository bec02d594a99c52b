#include "kvs/calibration.h"

#include <gtest/gtest.h>

#include <sstream>

#include "kvs/error.h"
#include "kvs/evidence.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

Json line(const std::string& id, const std::string& policy, const Json& budget, double kl,
          bool measured = true, const char* workload = "rag") {
  ReuseEvidence evidence{.tokens = 90, .kept = 60, .seams = 2, .measured = measured};
  evidence.kept_mass = 0.25;
  Json json;
  json.set("workload", workload);
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

std::vector<CalibrationSet> read(const std::vector<Json>& details,
                                 const std::vector<double>& budgets) {
  std::stringstream lines;
  for (const Json& detail : details) lines << detail.dump() << '\n';
  return read_samples(lines, "cal.jsonl", budgets);
}

TEST(Calibration, TakesWhatEarlierRunsMeasured) {
  const auto sets = read(kDetails, {0.01, 0.1});

  ASSERT_EQ(sets.size(), 1u);
  EXPECT_EQ(sets[0].workload, "rag");
  ASSERT_EQ(sets[0].samples.size(), 2u);
  EXPECT_EQ(sets[0].samples[0].kl, (std::vector{0.3, 0.2}));
  EXPECT_EQ(sets[0].samples[1].kl, (std::vector{0.03, 0.02}));
  EXPECT_EQ(sets[0].samples[1].evidence.kept, 60);
  EXPECT_EQ(sets[0].samples[1].evidence.kept_mass, 0.25);
  EXPECT_EQ(read(kDetails, {0.1})[0].samples[1].kl, std::vector{0.02});
  EXPECT_TRUE(read(kDetails, {0.2})[0].samples.empty());
}

TEST(Calibration, TellsRequestsOfOneNameApart) {
  std::vector<Json> details = kDetails;
  details.push_back(line("c", "kvshare", 0.01, 0.5, true, "edit"));
  details.push_back(line("c", "kvshare", 0.1, 0.4, true, "edit"));

  const auto sets = read(details, {0.01, 0.1});

  ASSERT_EQ(sets.size(), 2u);
  ASSERT_EQ(sets[1].samples.size(), 1u);
  EXPECT_EQ(sets[1].samples[0].kl, (std::vector{0.5, 0.4}));
}

TEST(Calibration, TellsIsolationsAndDepthsOfDonorsApart) {
  std::vector<Json> details{line("a", "kvshare", 0.01, 0.3), line("a", "kvshare", 0.01, 0.9),
                            line("a", "kvshare", 0.1, 0.2)};
  details[1].set("donor_depth", 2);
  for (const double kl : {0.7, 0.6}) {
    details.push_back(line("a", "kvshare", details.size() == 3 ? 0.01 : 0.1, kl));
    details.back().set("isolation", "private");
  }

  const auto sets = read(details, {0.01, 0.1});

  ASSERT_EQ(sets.size(), 1u);
  ASSERT_EQ(sets[0].samples.size(), 2u);
  EXPECT_EQ(sets[0].samples[0].kl, (std::vector{0.3, 0.2}));
  EXPECT_EQ(sets[0].samples[1].kl, (std::vector{0.7, 0.6}));
}

TEST(Calibration, NamesWhatADetailLacks) {
  std::vector<Json> details = kDetails;
  details[2].set("kl", "much");

  EXPECT_STREQ(error_of([&] {
                 read(details, {0.01, 0.1});
               }).what(),
               "cal.jsonl:3: expected number, found string");
}

}  // namespace
}  // namespace kvs::test
