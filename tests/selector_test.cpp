#include "kvs/selector.h"

#include <gtest/gtest.h>

#include <numeric>

#include "reuse/choice.h"

namespace kvs::test {
namespace {

using Kind = PlanSpan::Kind;
using Positions = std::vector<int64_t>;

const std::vector<PlanSpan> kSpans{
    {.kind = Kind::exact, .first = 0, .count = 3, .donor = 0},
    {.kind = Kind::computed, .first = 3, .count = 2},
    {.kind = Kind::shifted, .first = 5, .count = 10, .donor = 0, .donor_first = 5},
    {.kind = Kind::shifted, .first = 15, .count = 6, .donor = 1, .donor_first = 90},
    {.kind = Kind::computed, .first = 21, .count = 30}};

Positions selected(Policy policy, const ReuseOptions& options) {
  return make_selector(policy)->select({{}, kSpans, options});
}

// 1,000 rows with a source: a span behind an edit, and one that moved. The last one is always
// computed.
const std::vector<PlanSpan> kLongSpans{
    {.kind = Kind::computed, .first = 0, .count = 10},
    {.kind = Kind::shifted, .first = 10, .count = 600, .donor = 0, .donor_first = 10},
    {.kind = Kind::shifted, .first = 610, .count = 400, .donor = 1, .donor_first = 90}};

Positions between(int64_t first, int64_t end) {
  Positions positions(end - first);
  std::iota(positions.begin(), positions.end(), first);
  return positions;
}

Positions joined(Positions a, const Positions& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Selector, TakesHalosByStructure) {
  // Behind the edit at 3; the span at 15 moved, but no edit is in front of it.
  ReuseOptions options{.budget = 1, .structure = 1, .halo = 2, .last = 0};
  EXPECT_EQ(selected(Policy::kvshare, options), (Positions{5, 6, 15, 16}));
  options.halo = 0;
  EXPECT_EQ(selected(Policy::kvshare, options), Positions{});
  EXPECT_EQ(selected(Policy::epic, {.sinks = 1}), (Positions{5, 15}));
  EXPECT_EQ(selected(Policy::naive, {}), Positions{});
}

TEST(Selector, SpendsASmallBudgetFromTheEdgesInwards) {
  const auto with_budget = [](double budget) {
    return make_selector(Policy::kvshare)
        ->select({{}, kLongSpans, {.budget = budget, .structure = 1, .halo = 30, .last = 0}});
  };
  EXPECT_EQ(with_budget(0), Positions{});
  EXPECT_EQ(with_budget(0.036), joined(joined(between(10, 28), between(610, 627)), {1009}));
  EXPECT_EQ(with_budget(0.051), joined(joined(between(10, 35), between(610, 635)), {1009}));
  EXPECT_EQ(with_budget(1), joined(joined(between(10, 40), between(610, 640)), {1009}));
}

TEST(Selector, ComputesNotTooFewRows) {
  ReuseOptions options{.budget = 0.01, .structure = 0.01, .halo = 20, .wide_halo = 0, .last = 12};
  EXPECT_EQ(make_selector(Policy::kvshare)->select({{}, kLongSpans, options}),
            joined(joined(between(10, 26), between(610, 625)), {1009}));  // 20 and 12 of them
}

TEST(Selector, LeavesMostOfABudgetToWindows) {
  ReuseOptions options{.budget = 0.5, .structure = 0.041, .halo = 40, .last = 0};
  const SelectionContext context{{}, kLongSpans, options};
  const auto selector = make_selector(Policy::kvshare);

  EXPECT_EQ(selector->select(context), joined(joined(between(10, 30), between(610, 630)), {1009}));

  EXPECT_EQ(selector->measured_rows(context), 500);  // spans without recomputed rows
  EXPECT_TRUE(selector->measures(context));
  options.budget = 0.03;
  EXPECT_EQ(selector->measured_rows(context), 0);
  EXPECT_FALSE(selector->measures(context));
  options.evidence = true;
  EXPECT_TRUE(selector->measures(context));
}

TEST(Selector, ServesTheLastTokensBehindTheHalo) {
  const auto with_budget = [](double budget) {
    return make_selector(Policy::kvshare)
        ->select({{},
                  kLongSpans,
                  {.budget = budget, .structure = 1, .halo = 10, .wide_halo = 0, .last = 30}});
  };
  const Positions halos = joined(between(10, 20), between(610, 620));
  EXPECT_EQ(with_budget(0), Positions{});
  EXPECT_EQ(with_budget(0.01), joined(halos, between(990, 1010)));  // 40 of them at least
  EXPECT_EQ(with_budget(0.045), joined(halos, between(985, 1010)));
  EXPECT_EQ(with_budget(0.5), joined(halos, between(980, 1010)));
}

// A prompt of 1,000 tokens: so many without a source, a span behind them, and one that moved.
std::vector<PlanSpan> spans_behind(int64_t sourceless) {
  return {{.kind = Kind::computed, .first = 0, .count = sourceless},
          {.kind = Kind::shifted,
           .first = sourceless,
           .count = 600 - sourceless,
           .donor = 0,
           .donor_first = sourceless},
          {.kind = Kind::shifted, .first = 600, .count = 400, .donor = 1, .donor_first = 90}};
}

// The rows of both halos where each is so wide, and the last one.
Positions halos_behind(int64_t sourceless, int64_t width, int64_t width_of_moved) {
  const Positions first = between(sourceless, sourceless + width);
  return joined(joined(first, between(600, 600 + width_of_moved)), {999});
}

TEST(Selector, WidensHalosByAnEighthOfWhatHasNoSource) {
  ReuseOptions options{.budget = 0.01, .structure = 0.01, .halo = 4, .wide_halo = 16, .last = 0};
  const auto behind = [&](int64_t sourceless) {
    return make_selector(Policy::kvshare)->select({{}, spans_behind(sourceless), options});
  };
  EXPECT_EQ(behind(7), halos_behind(7, 4, 4));
  EXPECT_EQ(behind(40), halos_behind(40, 7, 6));
  EXPECT_EQ(behind(160), halos_behind(160, 14, 14));
  EXPECT_EQ(behind(400), halos_behind(400, 16, 16));  // no wider than that

  EXPECT_EQ(behind(88), halos_behind(88, 5, 5));  // 99 rows are computed then, with the last one
  EXPECT_EQ(behind(90), halos_behind(90, 4, 4));
  EXPECT_EQ(behind(91), halos_behind(91, 10, 9));  // a tenth without them

  options.budget = 0.02;  // windows follow
  EXPECT_EQ(behind(160), halos_behind(160, 4, 4));
  options.budget = 0;
  EXPECT_EQ(behind(160), Positions{});
}

TEST(Selector, ComputesFewerRowsWhereAPromptStaysMostlyKept) {
  const ReuseOptions options{
      .budget = 0.01, .structure = 0.01, .halo = 4, .wide_halo = 0, .last = 16};
  const auto behind = [&](int64_t sourceless) {
    return make_selector(Policy::kvshare)->select({{}, spans_behind(sourceless), options});
  };
  EXPECT_EQ(behind(50).size(), 20u);
  EXPECT_EQ(behind(79).size(), 20u);
  EXPECT_EQ(behind(85), joined(joined(between(85, 89), between(600, 604)), between(994, 1000)));
  EXPECT_EQ(behind(91).size(), 8u);
  EXPECT_EQ(behind(92).size(), 20u);
}

TEST(Selector, ALargerBudgetIsNoLessThanASmallOne) {
  const std::vector<PlanSpan> spans{
      {.kind = Kind::computed, .first = 0, .count = 80},
      {.kind = Kind::shifted, .first = 80, .count = 300, .donor = 0, .donor_first = 80}};
  const auto with_budget = [&](double budget) {
    return make_selector(Policy::kvshare)->select({{}, spans, {.budget = budget}});
  };
  // 20 rows, which is more than 5 % of 300; 10 of wider halos.
  EXPECT_EQ(with_budget(0.01).size(), 30u);
  EXPECT_EQ(with_budget(0.05), with_budget(0.01));
}

TEST(Selector, WideHalosTakeNothingOfALargerBudget) {
  std::vector<PlanSpan> spans = spans_behind(160);
  ReuseOptions options{.budget = 0.1, .structure = 0.01, .halo = 4, .last = 4};
  const auto measured = [&] {
    return make_selector(Policy::kvshare)->measured_rows({{}, spans, options});
  };
  // 840 rows with a source, 9 of them by structure.
  spans[1].kind = Kind::recomputed, spans[1].count = 9;
  spans.insert(spans.begin() + 2,
               {.kind = Kind::shifted, .first = 169, .count = 431, .donor = 0, .donor_first = 169});
  EXPECT_EQ(measured(), 84 - 9);
  spans[1].count = 30, spans[2].first = 190, spans[2].count = 410;
  EXPECT_EQ(measured(), 84 - 9);
}

TEST(Selector, AFuzzyRowIsAnEditToo) {
  std::vector<PlanSpan> spans = kSpans;
  spans[1] = {.kind = Kind::fuzzy, .first = 3, .count = 2, .donor = 0, .donor_first = 3};
  const ReuseOptions options{.budget = 1, .structure = 1, .halo = 2, .last = 0};

  EXPECT_EQ(make_selector(Policy::kvshare)->select({{}, spans, options}),
            (Positions{5, 6, 15, 16}));
  EXPECT_EQ(kept_positions(spans).size(), 18u);  // a measuring rule may choose it
}

TEST(Selector, TakesThePromptsLastTokens) {
  const std::vector<PlanSpan> spans{{.kind = Kind::computed, .first = 0, .count = 4},
                                    {.kind = Kind::shifted, .first = 4, .count = 40, .donor = 0}};
  const ReuseOptions options{.budget = 1, .structure = 1, .halo = 0, .last = 16};
  for (const Policy policy : {Policy::probe, Policy::kvshare}) {
    const Positions last = make_selector(policy)->select({{}, spans, options});
    ASSERT_EQ(last.size(), 16u);
    EXPECT_EQ(last.front(), 28);
    EXPECT_EQ(last.back(), 43);
  }
}

// From the seam in front: where an edit ends, or another place begins, not where rows are computed
// all the same.
TEST(Selector, ExpectsRowsBehindASeamToBeOffMost) {
  const std::vector<double> deviation = expected_deviation(std::vector<PlanSpan>{
      {.kind = Kind::computed, .first = 0, .count = 3},
      {.kind = Kind::recomputed, .first = 3, .count = 2, .donor = 0, .donor_first = 3},
      {.kind = Kind::shifted, .first = 5, .count = 40, .donor = 0, .donor_first = 5},
      {.kind = Kind::shifted, .first = 45, .count = 1, .donor = 1, .donor_first = 9}});

  ASSERT_EQ(deviation.size(), 41u);
  EXPECT_DOUBLE_EQ(deviation[0], 0.1 + 32.0 / 34);
  EXPECT_DOUBLE_EQ(deviation[30], 0.1 + 0.5);
  EXPECT_DOUBLE_EQ(deviation[40], 1.1);
}

TEST(Choice, FindsTheQuery) {
  EXPECT_EQ(query_positions(kSpans, 100).front(), 21);
  EXPECT_EQ(query_positions(kSpans, 8).front(), 43);
  EXPECT_EQ(query_positions(kSpans, 8).size(), 8u);
  EXPECT_TRUE(query_positions({}, 8).empty());
}

TEST(Choice, TakesTheHighestAndOfEqualOnesTheFirst) {
  const Positions positions{2, 3, 5, 9};
  const std::vector<double> scores{1, 7, 7, 3};

  EXPECT_EQ(highest(positions, scores, 0), Positions{});
  EXPECT_EQ(highest(positions, scores, 1), Positions{3});
  EXPECT_EQ(highest(positions, scores, 3), (Positions{3, 5, 9}));
  EXPECT_EQ(highest(positions, scores, 9), positions);
  EXPECT_EQ(highest({}, {}, 2), Positions{});
}

TEST(Choice, TakesWindowsThatEndWhereNeighboursDo) {
  const Positions positions{2, 3, 4, 8, 9, 20};
  const std::vector<double> scores{1, 1, 5, 2, 3, 4};

  EXPECT_EQ(highest_windows(positions, scores, 2, 1), Positions{4});
  EXPECT_EQ(highest_windows(positions, scores, 2, 4), (Positions{4, 8, 9, 20}));
  EXPECT_EQ(highest_windows(positions, scores, 2, 3), (Positions{4, 8, 20}));
}

TEST(Choice, RoundsSharesUp) {
  EXPECT_EQ(share_of(0, 10), 0);
  EXPECT_EQ(share_of(0.1, 10), 1);
  EXPECT_EQ(share_of(0.11, 10), 2);
  EXPECT_EQ(share_of(1, 10), 10);
  EXPECT_EQ(share_of(1.5, 10), 10);
}

}  // namespace
}  // namespace kvs::test
