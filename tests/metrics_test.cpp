#include "serve/metrics.h"

#include <gtest/gtest.h>

namespace kvs::test {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, AreZeroFromTheStart) {
  const std::string text = Metrics().text({});

  EXPECT_TRUE(
      has_line(text, R"(kvshare_requests_total{route="/v1/chat/completions",status="200"} 0)"));
  for (const std::string kind : {"exact", "shifted", "fuzzy"})
    for (const std::string tier : {"memory", "host", "disk", "redis", "index"})
      EXPECT_TRUE(has_line(
          text, R"(kvshare_hit_tokens_total{kind=")" + kind + R"(",tier=")" + tier + R"("} 0)"))
          << kind << " " << tier;
  EXPECT_TRUE(has_line(text, R"(kvshare_declined_total{reason="no_donor"} 0)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_evicted_donors_total{reason="quota"} 0)"));
  EXPECT_TRUE(has_line(text, "kvshare_background_rows_total 0"));
  EXPECT_TRUE(has_line(text, "kvshare_preemptions_total 0"));
  EXPECT_TRUE(has_line(text, R"(kvshare_ttft_seconds_count{reuse="no"} 0)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_ttft_seconds_bucket{reuse="yes",le="+Inf"} 0)"));
}

TEST(Metrics, AddUpAnswers) {
  Metrics metrics;
  Response response{.tokens = {1, 2, 3}, .finish_reason = "length"};
  response.reuse.prompt_tokens = 10;
  response.reuse.exact = 4;
  response.reuse.shifted = 2;
  response.reuse.computed = 4;
  response.reuse.donors = {{.tokens = 4, .exact = 4},
                           {.tokens = 2, .place = DonorPlace::disk, .shifted = 2}};
  response.reuse.tpot_ms = 20;
  response.reuse.reason = ReuseReason::no_donor;

  metrics.count_answer(response, 0.3);
  metrics.count_answer(response, 0.2);
  const std::string text = metrics.text({.waiting = 5, .max_blocks = 9});

  EXPECT_TRUE(has_line(text, "kvshare_prompt_tokens_total 20"));
  EXPECT_TRUE(has_line(text, "kvshare_generated_tokens_total 6"));
  EXPECT_TRUE(has_line(text, R"(kvshare_hit_tokens_total{kind="exact",tier="memory"} 8)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_hit_tokens_total{kind="exact",tier="disk"} 0)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_hit_tokens_total{kind="shifted",tier="disk"} 4)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_declined_total{reason="no_donor"} 2)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_choices_total{reason="length"} 2)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_ttft_seconds_bucket{reuse="yes",le="0.25"} 1)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_ttft_seconds_bucket{reuse="yes",le="0.5"} 2)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_ttft_seconds_sum{reuse="yes"} 0.5)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tpot_seconds_bucket{le="0.025"} 2)"));
  EXPECT_TRUE(has_line(text, "kvshare_waiting_choices 5"));
}

TEST(Metrics, CountWhatAGuardDecides) {
  Metrics metrics;
  metrics.expect_guard({0.02, 0.1});
  Response accepted, escalated, declined, alone;
  accepted.reuse.budget = 0.02;
  escalated.reuse.budget = 0.1;
  declined.reuse.reason = ReuseReason::guard;
  alone.reuse.reason = ReuseReason::no_donor;

  for (const Response& response : {accepted, escalated, escalated, declined, alone})
    metrics.count_answer(response, 0.1);
  const std::string text = metrics.text({});

  EXPECT_TRUE(has_line(text, R"(kvshare_guard_decisions_total{decision="accepted"} 1)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_guard_decisions_total{decision="escalated"} 2)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_guard_decisions_total{decision="declined"} 1)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_guard_budget_total{budget="0.02"} 1)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_guard_budget_total{budget="0.1"} 2)"));
}

TEST(Metrics, HaveEachTiersFigures) {
  const std::string text = Metrics().text(
      {.tiers = {{.name = "disk", .donors = 3, .hits = 2, .damaged = 1},
                 {.name = "redis", .reachable = false, .misses = 4, .read_bytes = 5}}});

  EXPECT_TRUE(has_line(text, R"(kvshare_tier_up{tier="disk"} 1)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tier_up{tier="redis"} 0)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tier_donors{tier="disk"} 3)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tier_hits_total{tier="disk"} 2)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tier_hits_total{tier="redis"} 0)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tier_damaged_total{tier="disk"} 1)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tier_misses_total{tier="redis"} 4)"));
  EXPECT_TRUE(has_line(text, R"(kvshare_tier_read_bytes_total{tier="redis"} 5)"));
  EXPECT_EQ(Metrics().text({}).find("kvshare_tier"), std::string::npos);  // without tiers
}

}  // namespace
}  // namespace kvs::test
