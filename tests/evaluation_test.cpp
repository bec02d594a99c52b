#include "kvs/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <sstream>

#include "support/tiny_model.h"

namespace kvs::test {
namespace {

constexpr const char* kBody =
    "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park. "
    "The dog wanted to play with the ball.";

double figure(const Json& policy, const char* name) {
  return policy.get(name).as_number();
}

class Evaluation : public testing::Test {
 protected:
  // The same text behind another first line; the last prompt repeats the first, for another tenant.
  Workload workload(const char* repeating_tenant = "north", int64_t max_tokens = 12) {
    std::istringstream in;
    std::string lines;
    const auto add = [&](const char* name, const char* tenant) {
      Json line;
      line.set("id", name);
      line.set("prompt", std::string(name) + ": " + kBody);
      line.set("tenant", tenant);
      line.set("reference", "Tim said yes");
      lines += line.dump() + "\n";
    };
    for (const char* name : {"Ben", "Sue and Ann", "Tom"}) add(name, "north");
    add("Ben", repeating_tenant);
    in.str(lines);
    return read_workload(in, "w.jsonl", "w", prompts, {.max_tokens = max_tokens, .groups = groups});
  }

  EvaluationOptions options(const std::vector<Policy>& policies) {
    return {.contestants = contestants_of(policies, {}),
            .engine = {.max_blocks = 64, .kv_type = DType::f32}};
  }

  Json run(const Workload& requests, const EvaluationOptions& options) {
    return run_evaluation(model.transformer, prompts.tokenizer(), requests, options);
  }

  TenantGroups groups;
  PromptEncoder prompts{data_path("stories260K.gguf"), {}};
  TinyModel model{data_path("stories260K.gguf")};
};

TEST_F(Evaluation, ComparesPoliciesSideBySide) {
  const Json json = run(workload(), options({Policy::prefix, Policy::naive}));

  ASSERT_EQ(json.get("policies").as_array().size(), 3u);
  EXPECT_EQ(json.get("requests").as_int(), 4);
  EXPECT_EQ(json.get("similar").as_int(), 3);
  const Json& full = json.get("policies").as_array()[0];
  const Json& prefix = json.get("policies").as_array()[1];
  const Json& naive = json.get("policies").as_array()[2];
  EXPECT_EQ(full.get("name").as_string(), "full");
  EXPECT_EQ(figure(full, "hit_rate"), 0);
  EXPECT_EQ(figure(full, "speedup"), 1);
  EXPECT_EQ(full.get("reasons").dump(), R"({"off":4})");
  // The fourth prompt is the first again, but for its last token, which is always computed.
  EXPECT_GT(figure(prefix, "hit_rate"), 0.2);
  EXPECT_LT(figure(prefix, "hit_rate"), 0.35);
  EXPECT_GT(figure(naive, "hit_rate"), 0.6);
  EXPECT_EQ(figure(naive.get("reused_over"), "70"), 0.75);
  EXPECT_EQ(figure(naive.get("reused_over_similar"), "70"), 1);
}

TEST_F(Evaluation, LeavesOutRunsThatWouldMakeNoDifference) {
  EvaluationOptions all = options({Policy::prefix, Policy::naive});
  EvaluationOptions some = all;
  some.skip_idle = true;

  const Json run_all = run(workload(), all), run_some = run(workload(), some);

  for (int policy = 1; policy <= 2; ++policy) {
    const Json& a = run_all.get("policies").as_array()[policy];
    const Json& b = run_some.get("policies").as_array()[policy];
    for (const char* name : {"hit_rate", "top1_agreement", "exact_match", "rouge_l_vs_full"})
      EXPECT_EQ(figure(a, name), figure(b, name)) << name;
    EXPECT_EQ(figure(a.get("kl"), "mean"), figure(b.get("kl"), "mean"));
  }
}

TEST_F(Evaluation, SaysWhereInThePromptsTokensWereReused) {
  const Json json = run(workload(), options({Policy::naive}));
  const auto share = [&](int policy, const char* kind, int part) {
    const Json& shares = json.get("policies").as_array()[policy].get("reused_by_position");
    return shares.get(kind).as_array().at(part).as_number();
  };

  EXPECT_EQ(share(0, "computed", 10), 1);
  // The first prompt has no donor; the second and third share all but their beginning, which the
  // fourth shares too.
  EXPECT_NEAR(share(1, "exact", 10), 0.25, 1e-6);
  EXPECT_NEAR(share(1, "shifted", 10), 0.5, 1e-6);
  EXPECT_NEAR(share(1, "computed", 10), 0.25, 1e-6);
  EXPECT_LT(share(1, "shifted", 0), 0.3);
  EXPECT_GT(share(1, "computed", 0), 0.4);
}

TEST_F(Evaluation, FindsDonorsByEmbeddingToo) {
  EvaluationOptions asking = options({Policy::prefix, Policy::naive});
  int asked = 0;
  asking.embed = [&](std::span<const int32_t>) {
    ++asked;
    return std::vector<float>{1, 0};
  };

  const Json json = run(workload(), asking);

  EXPECT_GE(asked, 4);
  EXPECT_GT(figure(json.get("policies").as_array()[2], "hit_rate"), 0.6);
}

TEST_F(Evaluation, FindsLosslessReuseEqualAndShiftedReuseNot) {
  const Json json = run(workload(), options({Policy::prefix, Policy::naive}));
  const Json& prefix = json.get("policies").as_array()[1];
  const Json& naive = json.get("policies").as_array()[2];

  EXPECT_LT(figure(prefix.get("kl"), "p95"), 1e-6);
  EXPECT_EQ(figure(prefix, "top1_agreement"), 1);
  EXPECT_EQ(figure(prefix, "exact_match"), 1);
  EXPECT_EQ(figure(prefix, "rouge_l_vs_full"), 1);
  EXPECT_NEAR(figure(prefix, "bleu_vs_full"), 100, 1e-6);
  EXPECT_GT(figure(naive.get("kl"), "mean"), 1e-6);
  EXPECT_GT(figure(naive.get("kl"), "p95"), figure(naive.get("kl"), "mean"));
}

TEST_F(Evaluation, MeasuresTheDivergenceFromTheFullRunsLogits) {
  const Workload requests = workload("north", 32);
  std::vector<double> kl, late_kl;
  EvaluationOptions naive = options({Policy::naive});
  naive.on_detail = [&](const Json& line) {
    if (line.get("policy").as_string() != "naive") return;
    kl.push_back(figure(line, "kl"));
    late_kl.push_back(figure(line, "kl_late"));
  };
  const Json json = run(requests, naive);

  // The same by hand, in double: two prompts over one engine, along the first run's answer.
  Engine cold(model.transformer, prompts.tokenizer(), {.max_blocks = 64, .kv_type = DType::f32});
  std::vector<std::vector<float>> full;
  Task task{.id = "cold", .tokens = requests.requests[1].tokens, .max_tokens = 32};
  task.reuse.policy = Policy::full;
  task.on_logits = [&](int64_t, auto row) { full.emplace_back(row.begin(), row.end()); };
  const Response answer = cold.run(task);

  Engine warm(model.transformer, prompts.tokenizer(), {.max_blocks = 64, .kv_type = DType::f32});
  warm.run({.id = "donor", .tokens = requests.requests[0].tokens, .max_tokens = 0});
  double sum = 0, late_sum = 0;
  task.reuse.policy = Policy::naive;
  task.forced = answer.tokens;
  task.max_tokens = static_cast<int64_t>(full.size());
  task.on_logits = [&](int64_t step, std::span<const float> row) {
    double full_sum = 0, row_sum = 0;
    for (const float logit : full[step]) full_sum += std::exp(double{logit});
    for (const float logit : row) row_sum += std::exp(double{logit});
    double divergence = 0;
    for (size_t token = 0; token < row.size(); ++token)
      divergence += std::exp(double{full[step][token]}) / full_sum *
                    (full[step][token] - std::log(full_sum) - row[token] + std::log(row_sum));
    sum += divergence;
    if (step >= 24) late_sum += divergence;
  };
  warm.run(task);

  ASSERT_EQ(kl.size(), 4u);
  EXPECT_EQ(kl[0], 0);  // without a donor
  EXPECT_GT(kl[1], 1e-5);
  ASSERT_EQ(full.size(), 32u);
  EXPECT_NEAR(kl[1], sum / 32, 1e-6);
  EXPECT_GT(late_kl[1], 1e-5);
  EXPECT_NEAR(late_kl[1], late_sum / 8, 1e-6);
  EXPECT_NEAR(json.get("policies").as_array().at(1).get("kl").get("late").as_number(),
              std::accumulate(late_kl.begin(), late_kl.end(), 0.0) / 4, 2e-6);
}

TEST_F(Evaluation, KnowsNoLateDivergenceOfAShortAnswer) {
  const Json json = run(workload(), options({Policy::naive}));

  EXPECT_TRUE(json.get("policies").as_array().at(1).get("kl").get("late").is_null());
}

TEST_F(Evaluation, MakesDonorsOfWholePromptsBehindTheirAnswers) {
  // The third prompt has new text in common with the second one only.
  const char* news = "Lily found a small box under the bed and in it there was a shiny gold ring. ";
  std::istringstream in;
  std::string lines;
  for (const std::string& text : {std::string(kBody), std::string("Oh! ") + kBody + news + news,
                                  std::string("So, ") + news + news}) {
    Json line;
    line.set("prompt", text);
    lines += line.dump() + "\n";
  }
  in.str(lines);
  const Workload requests = read_workload(in, "w", "w", prompts, {.max_tokens = 4});
  EvaluationOptions naive = options({Policy::naive});
  const auto figures = [&](bool exactify) {
    naive.exactify = exactify;
    return run(requests, naive).get("policies").as_array()[1];
  };

  const Json without = figures(false), with = figures(true);

  EXPECT_EQ(figure(without, "background_compute"), 0);
  EXPECT_NEAR(figure(with, "background_compute"), 1 / 3.0, 0.05);  // the second of three
  EXPECT_GT(figure(with, "hit_rate"), figure(without, "hit_rate") + 0.2);
}

TEST_F(Evaluation, NeedsNoAnswersForTheDivergence) {
  EvaluationOptions naive = options({Policy::naive});
  const Json with = run(workload(), naive).get("policies").as_array()[1];
  naive.answers = false;
  const Json without = run(workload(), naive).get("policies").as_array()[1];

  EXPECT_EQ(without.get("kl").dump(), with.get("kl").dump());
  EXPECT_TRUE(without.get("rouge_l_vs_full").is_null());
  EXPECT_TRUE(without.get("exact_match").is_null());
  EXPECT_TRUE(without.get("tpot_ms").is_null());
}

TEST_F(Evaluation, SetsANoiseFloorBesideThePolicies) {
  EvaluationOptions noisy = options({});
  noisy.noise_rows = 7;

  const Json json = run(workload(), noisy);

  const Json& noise = json.get("noise_floor");
  EXPECT_EQ(noise.get("rows_per_step").as_int(), 7);
  EXPECT_EQ(figure(noise, "hit_rate"), 0);
  EXPECT_LT(figure(noise.get("kl"), "p95"), 1e-6);
  EXPECT_EQ(figure(noise, "top1_agreement"), 1);
  noisy.noise_rows = 0;
  EXPECT_TRUE(run(workload(), noisy).get("noise_floor").is_null());
}

TEST_F(Evaluation, KeepsTenantsApartOrInGroups) {
  const auto hits = [&](bool shared) {
    EvaluationOptions prefix = options({Policy::prefix});
    prefix.shared = shared;
    return figure(run(workload("other"), prefix).get("policies").as_array()[1], "hit_rate");
  };
  EXPECT_LT(hits(true), 0.1);

  groups = {{"north", "all"}, {"other", "all"}};

  EXPECT_LT(hits(false), 0.1);
  EXPECT_GT(hits(true), 0.2);
}

TEST_F(Evaluation, TellsOfEachRequestAndPolicy) {
  std::vector<std::string> lines;
  int64_t runs = 0;
  EvaluationOptions told = options({Policy::naive});
  told.on_detail = [&](const Json& line) {
    lines.push_back(line.get("id").as_string() + " " + line.get("policy").as_string());
    EXPECT_EQ(line.get("isolation").as_string(), "shared");
    EXPECT_EQ(line.get("prompt_tokens").as_int(),
              line.get("exact").as_int() + line.get("shifted").as_int() +
                  line.get("fuzzy").as_int() + line.get("recomputed").as_int() +
                  line.get("computed").as_int());
    // All that reuse costs counts, also what is done behind the answer.
    double planning = 0;
    for (const char* part : {"lookup_ms", "plan_ms", "load_ms", "store_ms"})
      planning += line.get(part).as_number();
    EXPECT_GT(line.get("ttft_ms").as_number(), planning);
    EXPECT_EQ(line.get("store_ms").as_number() > 0, line.get("policy").as_string() == "naive");
  };
  told.on_progress = [&] { ++runs; };

  run(workload(), told);

  EXPECT_EQ(lines.size(), 12u);
  EXPECT_EQ(runs, 12);
  EXPECT_EQ(lines[0], "Ben full");
  EXPECT_EQ(lines[1], "Ben naive");
  EXPECT_EQ(lines[2], "Ben noise");
}

TEST(Contestants, BeginWithTheFullRunAndHaveABudgetWhereThePolicyHas) {
  const auto some = contestants_of({Policy::naive, Policy::full}, {0.1, 0.2});

  ASSERT_EQ(some.size(), 2u);
  EXPECT_EQ(some[0].policy, Policy::full);
  EXPECT_EQ(some[1].policy, Policy::naive);
  EXPECT_FALSE(some[1].budget);
}

}  // namespace
}  // namespace kvs::test
