#include "kvs/cost_model.h"

#include <gtest/gtest.h>

#include "kvs/error.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

using Kind = PlanSpan::Kind;

constexpr CostModel kCosts{.ms_per_pass = 5, .ms_per_row = 2, .ms_per_key = 0.01};

ReusePlan plan_of(std::vector<PlanSpan> spans) {
  return {.spans = std::move(spans)};
}

TEST(CostModel, CountsRowsAndTheirKeys) {
  // Rows 3 and 4 see 4 and 5 positions.
  const ReusePlan plan = plan_of({{.kind = Kind::shifted, .first = 0, .count = 3, .donor = 0},
                                  {.kind = Kind::computed, .first = 3, .count = 2}});

  EXPECT_DOUBLE_EQ(kCosts.compute_ms(plan), 5 + 2 * 2 + 0.01 * (4 + 5));
  EXPECT_DOUBLE_EQ(kCosts.pass_ms(3, 2), kCosts.compute_ms(plan));
  EXPECT_DOUBLE_EQ(kCosts.prefill_ms(5), 5 + 5 * 2 + 0.01 * (1 + 2 + 3 + 4 + 5));
}

TEST(CostModel, PaysWhereMuchIsKeptAndLoadingIsCheap) {
  const KvView view;
  const std::vector<ReuseDonor> resident{{.id = "a", .view = &view}}, archived{{.id = "a"}};
  const auto kept = [](int64_t count) {
    return plan_of({{.kind = Kind::computed, .first = 0, .count = 100 - count},
                    {.kind = Kind::shifted, .first = 100 - count, .count = count, .donor = 0}});
  };
  CostModel slow = kCosts;
  slow.ms_per_loaded_row = 3;  // more than computing it

  EXPECT_TRUE(pays(kCosts, kept(90), resident));
  EXPECT_FALSE(pays(kCosts, kept(5), resident));
  EXPECT_TRUE(pays(slow, kept(90), resident));
  EXPECT_FALSE(pays(slow, kept(90), archived));
}

TEST(CostModel, ComparesWithWhatALosslessPrefixLeaves) {
  const KvView view;
  const std::vector<ReuseDonor> donors{{.id = "a", .view = &view}};
  // Of 100 rows 90 are exact: keeping 2 more saves a tenth of nothing much.
  const ReusePlan plan =
      plan_of({{.kind = Kind::exact, .first = 0, .count = 90, .donor = 0},
               {.kind = Kind::computed, .first = 90, .count = 9},
               {.kind = Kind::shifted, .first = 99, .count = 1, .donor = 0, .donor_first = 120}});

  EXPECT_FALSE(pays(kCosts, plan, donors));
}

TEST(CostModel, DeclinesReuseUnderKvshareOnly) {
  std::vector<int32_t> tokens(100), other(100);
  for (int i = 0; i < 100; ++i) tokens[i] = i, other[i] = i < 60 ? 500 + i : i;
  const KvView view;
  const std::vector<ReuseDonor> donors{
      {.id = "a", .tokens = other, .exact_rows = 100, .view = &view}};
  const CostModel dear{.ms_per_pass = 1000, .ms_per_row = 1};
  ReuseOptions options{
      .policy = Policy::kvshare, .structure = 1, .sinks = 0, .halo = 0, .last = 4, .costs = &dear};

  EXPECT_EQ(plan_reuse(tokens, donors, options).reason, ReuseReason::unprofitable);
  EXPECT_EQ(plan_reuse(tokens, donors, options).count(Kind::shifted), 0);
  options.policy = Policy::epic;
  EXPECT_EQ(plan_reuse(tokens, donors, options).reason, ReuseReason::none);
  EXPECT_GT(plan_reuse(tokens, donors, options).count(Kind::shifted), 20);
}

TEST(CostModel, SurvivesItsFile) {
  const CostModel read = costs_from_json(costs_to_json(kCosts), "costs.json");
  EXPECT_EQ(read.ms_per_row, kCosts.ms_per_row);
  EXPECT_EQ(read.ms_per_key, kCosts.ms_per_key);

  Json broken = costs_to_json(kCosts);
  broken.set("ms_per_row", -1);
  EXPECT_THROW(costs_from_json(broken, "costs.json"), Error);
  broken.set("ms_per_row", "fast");
  try {
    costs_from_json(broken, "costs.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "costs.json: field 'ms_per_row': expected a number, found string");
  }
}

TEST(CostModel, IsMeasuredOnAModel) {
  TinyModel model(data_path("stories260K.gguf"));

  const CostModel costs = measure_costs(model.transformer, DType::f32);

  // How long it takes is the machine's affair.
  EXPECT_GT(costs.prefill_ms(256), 0);
  EXPECT_GT(costs.ms_per_loaded_row, 0);
  EXPECT_NO_THROW(costs_from_json(costs_to_json(costs), "costs"));
}

}  // namespace
}  // namespace kvs::test
