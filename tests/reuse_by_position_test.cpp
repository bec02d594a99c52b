#include "eval/reuse_by_position.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

namespace kvs {
namespace {

using Kind = PlanSpan::Kind;

constexpr std::array kAllKinds{Kind::exact, Kind::shifted, Kind::recomputed, Kind::computed};
constexpr std::array kKindNames{"exact", "shifted", "recomputed", "computed"};

Outcome outcome_of(const std::vector<Kind>& tokens) {
  Outcome outcome;
  outcome.reuse.prompt_tokens = static_cast<int64_t>(tokens.size());
  for (size_t at = 0; at < tokens.size(); ++at) {
    std::vector<PlanSpan>& spans = outcome.reuse.spans;
    if (spans.empty() || spans.back().kind != tokens[at])
      spans.push_back({.kind = tokens[at], .first = static_cast<int64_t>(at)});
    ++spans.back().count;
  }
  return outcome;
}

size_t index_of(Kind kind) {
  return static_cast<size_t>(std::find(kAllKinds.begin(), kAllKinds.end(), kind) -
                             kAllKinds.begin());
}

double share(const Json& json, Kind kind, int part) {
  return json.get(kKindNames[index_of(kind)]).as_array().at(part).as_number();
}

TEST(ReuseByPosition, CountsTheTokensOfEachPart) {
  std::mt19937 random(3);
  std::vector<Outcome> outcomes;
  double expected[kAllKinds.size()][kPositionParts] = {};
  for (const int each : {1, 3, 40}) {  // tokens in a part
    std::vector<Kind> tokens(each * size_t{kPositionParts});
    for (size_t at = 0; at < tokens.size(); ++at) {
      tokens[at] =
          at > 0 && random() % 3 > 0 ? tokens[at - 1] : kAllKinds[random() % kAllKinds.size()];
      expected[index_of(tokens[at])][at / each] += 1.0 / each / 3;
    }
    outcomes.push_back(outcome_of(tokens));
  }

  const Json json = reuse_by_position(outcomes);

  for (const Kind kind : kAllKinds)
    for (int part = 0; part < kPositionParts; ++part)
      EXPECT_NEAR(share(json, kind, part), expected[index_of(kind)][part], 1e-6);
}

TEST(ReuseByPosition, DividesTokensThatStandInSeveralParts) {
  const Outcome three = outcome_of({Kind::exact, Kind::shifted, Kind::computed});

  const Json json = reuse_by_position({&three, 1});

  // Parts 0 to 5 and two thirds of part 6 are the first token's.
  EXPECT_EQ(share(json, Kind::exact, 5), 1);
  EXPECT_NEAR(share(json, Kind::exact, 6), 2.0 / 3, 1e-6);
  EXPECT_NEAR(share(json, Kind::shifted, 6), 1.0 / 3, 1e-6);
  EXPECT_NEAR(share(json, Kind::shifted, 13), 1.0 / 3, 1e-6);
  EXPECT_EQ(share(json, Kind::computed, 19), 1);
}

TEST(ReuseByPosition, IsNullWithoutRequests) {
  EXPECT_TRUE(reuse_by_position({}).is_null());
}

}  // namespace
}  // namespace kvs
