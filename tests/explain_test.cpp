#include "kvs/explain.h"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <numeric>

#include "kvs/cover.h"

namespace kvs::test {
namespace {

using Tokens = std::vector<int32_t>;

Tokens counting(int32_t first, int32_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

Tokens joined(std::initializer_list<Tokens> parts) {
  Tokens all;
  for (const Tokens& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// "prefix 0+10, no_source 10+1".
std::string explained(const Tokens& target, const std::vector<Tokens>& donors,
                      const ReuseOptions& options = {}) {
  const std::vector<std::span<const int32_t>> spans(donors.begin(), donors.end());
  std::vector<int64_t> lengths;
  for (const Tokens& donor : donors) lengths.push_back(static_cast<int64_t>(donor.size()));
  const EditScript script =
      make_script(target, lengths, cover(target, spans, {.min_span = options.least_span()}));
  std::string text;
  int64_t end = 0;
  for (const ExplainedSpan& span : explain_script(target, spans, script, options).spans) {
    EXPECT_EQ(span.first, end);
    end += span.count;
    text += fmt::format("{}{} {}+{}", text.empty() ? "" : ", ", row_reason_name(span.reason),
                        span.first, span.count);
  }
  EXPECT_EQ(end, static_cast<int64_t>(target.size()));
  return text;
}

TEST(Explain, NamesPrefixHolesAndSinks) {
  const Tokens target = joined({counting(0, 20), {900, 901}, counting(50, 40), {902}});

  EXPECT_EQ(explained(target, {counting(0, 100)}, {.policy = Policy::epic, .sinks = 4}),
            "prefix 0+20, no_source 20+2, policy 22+4, shifted 26+36, no_source 62+1");
  EXPECT_EQ(explained(target, {counting(0, 100)}, {.policy = Policy::naive}),
            "prefix 0+20, no_source 20+2, shifted 22+40, no_source 62+1");
}

TEST(Explain, TheLastTokenIsComputedForItsLogits) {
  EXPECT_EQ(explained(counting(0, 30), {counting(0, 100)}), "prefix 0+29, last_token 29+1");
}

TEST(Explain, SaysWhereARunIsTooShort) {
  const Tokens target = joined({counting(0, 20), {900}, counting(60, 6), {901}});

  EXPECT_EQ(explained(target, {counting(0, 100)}, {.sinks = 4}),
            "prefix 0+20, no_source 20+1, below_min_span 21+6, no_source 27+1");
}

TEST(Explain, SaysWhatAPolicyDoesWithout) {
  const Tokens target = joined({counting(0, 20), {900, 901}, counting(50, 40)});
  const std::vector<Tokens> donors{counting(0, 100)};

  EXPECT_EQ(explained(target, donors, {.policy = Policy::prefix}),
            "prefix 0+20, no_source 20+2, policy 22+39, last_token 61+1");
  EXPECT_EQ(explained(target, donors, {.policy = Policy::full}),
            "policy 0+20, no_source 20+2, policy 22+39, last_token 61+1");
}

// Structure is certain beforehand; of what is measured, the number of rows.
TEST(Explain, CountsWhatAPolicyWillMeasure) {
  const Tokens target = joined({counting(0, 20), {900, 901}, counting(50, 140), {902}});
  const Tokens donor = counting(0, 200);
  const std::vector<std::span<const int32_t>> donors{donor};
  const int64_t length = 200;
  const SourceSpan spans[] = {{0, 20, 0, 0}, {22, 140, 0, 50}};
  const EditScript script = make_script(target, {&length, 1}, spans);
  const auto with = [](Policy policy, double budget) {
    return ReuseOptions{
        .policy = policy, .budget = budget, .structure = 0.2, .sinks = 4, .halo = 8, .last = 16};
  };
  const auto measured = [&](Policy policy, double budget) {
    return explain_script(target, donors, script, with(policy, budget)).measured;
  };

  EXPECT_EQ(measured(Policy::naive, 0.5), 0);
  EXPECT_EQ(measured(Policy::epic, 0.5), 0);
  EXPECT_EQ(measured(Policy::dhd, 0.5), 70);
  EXPECT_EQ(measured(Policy::cacheblend, 0.25), 35);
  EXPECT_EQ(measured(Policy::probe, 0.2), 25);  // of the 125 that are not among the last 16
  EXPECT_EQ(measured(Policy::kvshare, 0.5), 70 - 8 - 15);
  EXPECT_EQ(measured(Policy::kvshare, 0.1), 0);
  EXPECT_EQ(explained(target, {donor}, with(Policy::kvshare, 0.2)),
            "prefix 0+20, no_source 20+2, policy 22+8, shifted 30+117, policy 147+15, "
            "no_source 162+1");
}

TEST(Explain, SaysWhereADonorWouldCostMoreThanItBrings) {
  const Tokens target = joined({counting(0, 20), counting(500, 20), {901}});

  EXPECT_EQ(explained(target, {counting(0, 100), counting(500, 100)}, {.policy = Policy::naive}),
            "prefix 0+20, unprofitable 20+20, no_source 40+1");
}

TEST(Explain, SaysWhereRowsStandInPlaceBehindOtherTokens) {
  Tokens donor = counting(0, 60);
  const Tokens target = joined({{900}, counting(1, 50), {901}});

  EXPECT_EQ(explained(target, {donor}, {.policy = Policy::naive}),
            "no_source 0+1, in_place 1+50, no_source 51+1");
}

TEST(Explain, NamesRowsOfOtherTokens) {
  const Tokens donor = counting(0, 60);
  Tokens target = donor;
  target[30] = 900;
  const std::vector<std::span<const int32_t>> donors{donor};
  const int64_t length = 60;
  const SourceSpan spans[] = {{0, 30, 0, 0}, {30, 1, 0, 30, true}, {31, 29, 0, 31}};
  const EditScript script = make_script(target, {&length, 1}, spans);

  const auto explained = explain_script(target, donors, script, {.policy = Policy::naive}).spans;

  ASSERT_EQ(explained.size(), 4u);
  EXPECT_EQ(explained[1], (ExplainedSpan{RowReason::fuzzy, 30, 1, 0, 30}));
  EXPECT_TRUE(explained[1].reused());
  EXPECT_EQ(row_reason_name(explained[1].reason), "fuzzy");
  EXPECT_EQ(explained[2].reason, RowReason::in_place);
}

TEST(Explain, ShortPromptsReuseNothing) {
  EXPECT_EQ(explained(counting(0, 10), {counting(0, 100)}), "too_short 0+10");
}

TEST(Explain, EmptyPromptsHaveNothingToExplain) {
  EXPECT_TRUE(explain_script({}, {}, {}, {.min_tokens = 0}).spans.empty());
}

}  // namespace
}  // namespace kvs::test
