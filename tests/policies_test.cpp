#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "engine/prompt_pass.h"
#include "kvs/gguf.h"
#include "support/double_prompt.h"
#include "support/prompt_recorder.h"
#include "support/tiny_model.h"
#include "support/token_texts.h"

namespace kvs::test {
namespace {

using Kind = PlanSpan::Kind;
using Positions = std::vector<int64_t>;

/// A prompt whose first line differs from an earlier one's, and ends in new words.
class Policies : public testing::Test {
 protected:
  void SetUp() override {
    donor_view.append_fresh(pool, static_cast<int64_t>(old_tokens.size()), true);
    compute_rows(model.transformer, donor_view, old_tokens, all_positions(old_tokens.size()),
                 DType::f32);
  }

  ReusePlan plan_for(Policy policy, double budget, int64_t window = 8) {
    options = {.policy = policy,
               .budget = budget,
               .structure = 0.25,
               .sinks = 4,
               .halo = 8,
               .last = 16,
               .window = window};
    const ReuseDonor donors[] = {donor()};
    return plan_reuse(tokens, donors, options);
  }
  ReuseDonor donor() const {
    return {.id = "old",
            .tokens = old_tokens,
            .exact_rows = static_cast<int64_t>(old_tokens.size()),
            .view = &donor_view};
  }

  struct Outcome {
    Positions chosen;
    std::vector<Positions> stages;
    Positions queries;
    int layer_step = 1;
    std::vector<float> logits;
    int64_t rows_run;
    LayeredView view;
  };
  Outcome run(const ReusePlan& plan) {
    const ReuseDonor donors[] = {donor()};
    const KvView kept = build_view(plan, donors, pool);
    PromptPass pass(model.transformer, pool, tokens, plan, donors, kept);
    PromptRecorder recorder(pass);
    Outcome out;
    const auto selector = make_selector(options.policy);
    out.chosen = selector->select_measured({tokens, plan.spans, options}, recorder);
    pass.finish(out.chosen);
    out.stages = recorder.chosen;
    out.queries = recorder.queries;
    out.layer_step = recorder.layer_step;
    out.logits = pass.logits();
    out.rows_run = pass.rows_run();
    out.view = pass.view();
    return out;
  }

  std::vector<float> full_logits() {
    KvView cold;
    cold.append_fresh(pool, static_cast<int64_t>(tokens.size()), true);
    const auto all =
        compute_rows(model.transformer, cold, tokens, all_positions(tokens.size()), DType::f32);
    return {all.end() - model.transformer.config().vocab, all.end()};
  }

  // Rows that the plan keeps, and those that it computes.
  static Positions kept_of(const ReusePlan& plan) {
    Positions rows;
    for (const PlanSpan& span : plan.spans)
      for (int64_t row = 0; span.kind == Kind::shifted && row < span.count; ++row)
        rows.push_back(span.first + row);
    return rows;
  }

  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  const std::string body =
      "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park. "
      "The dog wanted to play with the ball. Tim was happy and they played all day. ";
  std::vector<int32_t> old_tokens = tokenizer->encode("Ben: " + body + "The end");
  std::vector<int32_t> tokens =
      tokenizer->encode("Sue and Ann said: " + body + "What did the dog want?");
  TinyModel model{data_path("stories260K.gguf")};
  KvPool pool{*model.backend, model.transformer.kv_layout(DType::f32), 64};
  KvView donor_view;
  ReuseOptions options;
};

/// The `count` of `rows` with the highest scores.
Positions top(Positions rows, size_t count, const std::function<double(int64_t)>& score) {
  std::stable_sort(rows.begin(), rows.end(),
                   [&](int64_t a, int64_t b) { return score(a) > score(b); });
  rows.resize(std::min(count, rows.size()));
  std::sort(rows.begin(), rows.end());
  return rows;
}

size_t ceil_share(double share, size_t count) {
  return static_cast<size_t>(std::ceil(share * static_cast<double>(count) - 1e-9));
}

TEST_F(Policies, CacheblendTakesTheRowsThatDeviateMostLayerByLayer) {
  const ReusePlan plan = plan_for(Policy::cacheblend, 0.2);
  const Positions kept = kept_of(plan);
  ASSERT_GT(kept.size(), 50u);

  const Outcome got = run(plan);

  DoublePrompt oracle(plan, old_tokens, tokens);
  oracle.start(/*all=*/true);
  oracle.run(0, 2, {});
  Positions want = kept;
  const double shares[] = {1.5, 1.5 - 0.5 / 3, 1.5 - 1.0 / 3};
  ASSERT_EQ(got.stages.size(), 3u);  // the model has five layers
  for (int step = 0; step < 3; ++step) {
    want = top(want, ceil_share(0.2 * shares[step], kept.size()),
               [&](int64_t row) { return oracle.squares(1 + step, row); });
    EXPECT_EQ(got.stages[step], want) << "layer " << 2 + step;
    oracle.keep(want);
    oracle.run(2 + step, 3 + step, {});
  }
}

TEST_F(Policies, DhdTakesAttentionTimesValueDeviation) {
  const ReusePlan plan = plan_for(Policy::dhd, 0.15);
  const Positions kept = kept_of(plan);

  const Outcome got = run(plan);

  DoublePrompt oracle(plan, old_tokens, tokens);
  oracle.start(/*all=*/true);
  oracle.run(0, 1, {});
  const auto mass = oracle.run(1, 2, {static_cast<int64_t>(tokens.size()) - 1});
  EXPECT_EQ(got.chosen, top(kept, ceil_share(0.15, kept.size()), [&](int64_t row) {
              return mass[row] * oracle.value_magnitudes(1, row);
            }));
}

TEST_F(Policies, ProbeTakesWhatTheQueryAttendsTo) {
  const ReusePlan plan = plan_for(Policy::probe, 0.15, /*window=*/1);
  const Positions kept = kept_of(plan);

  const Outcome got = run(plan);

  ASSERT_FALSE(got.queries.empty());
  EXPECT_EQ(got.queries.back(), static_cast<int64_t>(tokens.size()) - 1);
  EXPECT_GT(got.queries.front(), kept.back());
  DoublePrompt oracle(plan, old_tokens, tokens);
  oracle.start(/*all=*/false);
  const auto mass = oracle.run(0, 5, got.queries);
  EXPECT_EQ(got.chosen,
            top(kept, ceil_share(0.15, kept.size()), [&](int64_t row) { return mass[row]; }));
}

TEST_F(Policies, KvshareAddsWindowsToItsStructure) {
  const ReusePlan plan = plan_for(Policy::kvshare, 0.8);
  const Positions kept = kept_of(plan);
  const int64_t structural = plan.count(Kind::recomputed);
  // The halo behind the new first line, and what of the last 16 tokens is kept.
  const auto size = static_cast<int64_t>(tokens.size());
  const int64_t kept_end = plan.spans.back().first;
  ASSERT_EQ(structural, 8 + std::max<int64_t>(0, kept_end - (size - 16)));

  const Outcome got = run(plan);

  DoublePrompt oracle(plan, old_tokens, tokens);
  oracle.start(/*all=*/false);
  const auto mass = oracle.run(0, 5, got.queries, got.layer_step);
  const int64_t seam = kept.front() - 8;  // the halo's first row; the kept rows are one run
  const auto score = [&](int64_t row) {
    return mass[row] * (0.1 + 32 / (32 + static_cast<double>(row - seam)));
  };
  const auto window_mean = [&](int64_t row) {
    const int64_t first = kept.front() + (row - kept.front()) / 8 * 8;
    const int64_t end = std::min(first + 8, kept.back() + 1);
    double sum = 0;
    for (int64_t i = first; i < end; ++i) sum += score(i);
    return sum / static_cast<double>(end - first);
  };
  const size_t count = ceil_share(0.8, kept.size() + structural) - structural;
  ASSERT_GT(count + structural, 32u);  // fewer are never computed
  EXPECT_EQ(got.chosen, top(kept, count, window_mean));
  // Behind the chosen rows only those that ask run again.
  const size_t asking = got.queries.size();
  EXPECT_EQ(got.rows_run, 5 * static_cast<int64_t>(plan.rows_to_compute().size() + count + asking));
}

class EveryBudgetedPolicy : public Policies, public testing::WithParamInterface<Policy> {};
INSTANTIATE_TEST_SUITE_P(On, EveryBudgetedPolicy,
                         testing::Values(Policy::cacheblend, Policy::dhd, Policy::probe,
                                         Policy::kvshare),
                         [](const auto& parameter) { return policy_name(parameter.param); });

TEST_P(EveryBudgetedPolicy, IsAFullRunWithTheWholeBudget) {
  EXPECT_EQ(run(plan_for(GetParam(), 1)).logits, full_logits());
}

TEST_P(EveryBudgetedPolicy, ComesCloserToTheFullRunThanKeepingEverything) {
  const std::vector<float> full = full_logits();
  const auto error = [&](const std::vector<float>& logits) {
    double sum = 0;
    for (size_t i = 0; i < full.size(); ++i) sum += std::pow(double{logits[i]} - full[i], 2);
    return sum;
  };
  const Outcome naive = run(plan_for(Policy::naive, 0));

  EXPECT_LT(error(run(plan_for(GetParam(), 0.5)).logits), error(naive.logits));
}

TEST_P(EveryBudgetedPolicy, LeavesTheDonorsBlocksAsTheyAre) {
  std::vector<std::vector<std::byte>> before, after;
  const auto read = [&](std::vector<std::vector<std::byte>>& blocks) {
    for (const Segment& segment : donor_view.segments()) {
      blocks.emplace_back(pool.layout().block_bytes());
      model.backend->download(blocks.back().data(), segment.block.data(), blocks.back().size());
    }
  };
  read(before);

  run(plan_for(GetParam(), 0.3));
  run(plan_for(GetParam(), 1));

  read(after);
  EXPECT_EQ(after, before);
}

TEST_P(EveryBudgetedPolicy, CountsWhatItRuns) {
  const ReusePlan plan = plan_for(GetParam(), 0.5);
  const auto required = static_cast<int64_t>(plan.rows_to_compute().size());
  const auto kept = static_cast<int64_t>(kept_of(plan).size());

  const Outcome got = run(plan);

  ASSERT_FALSE(got.chosen.empty());
  const auto chosen = static_cast<int64_t>(got.chosen.size());
  int64_t want = 5 * required;
  if (got.queries.empty()) {
    want += 2 * kept + (5 - 2 - static_cast<int64_t>(got.stages.size())) * chosen;
    for (const Positions& stage : got.stages) want += static_cast<int64_t>(stage.size());
  } else {  // rows behind the first chosen one run again
    for (const int64_t row : plan.rows_to_compute()) want += row > got.chosen.front() ? 5 : 0;
    want += 5 * chosen;
  }
  EXPECT_EQ(got.rows_run, want);
}

TEST_P(EveryBudgetedPolicy, CallsItsRowsApproximateFromTheFirstKeptOneOn) {
  const ReusePlan plan = plan_for(GetParam(), 0.2);

  const Outcome got = run(plan);

  EXPECT_EQ(got.view.size(), static_cast<int64_t>(tokens.size()));
  const Positions kept = kept_of(plan);
  const auto stays = std::ranges::find_if_not(
      kept, [&](int64_t row) { return std::ranges::binary_search(got.chosen, row); });
  ASSERT_NE(stays, kept.end());
  EXPECT_LE(got.view.top().exact_rows(), *stays);
}

TEST_F(Policies, WithoutABudgetLaterLayersKeepEverything) {
  for (const Policy policy : {Policy::cacheblend, Policy::dhd}) {
    const ReusePlan plan = plan_for(policy, 0);

    const Outcome got = run(plan);

    EXPECT_TRUE(got.chosen.empty());
    for (const int64_t row : kept_of(plan)) {
      const int64_t home = donor_view.slot(0).home + row + plan.spans.back().donor_first;
      EXPECT_NE(got.view.at(1).slot(row).home, got.view.at(2).slot(row).home) << home;
      EXPECT_EQ(got.view.at(1).slot(row).home, row);
    }
  }
}

TEST_F(Policies, ADonorsRowsMayAllBeComputedAgain) {
  Engine engine(model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32});
  std::mt19937_64 random(5);
  const std::vector<int32_t> old = random_tokens(random, 200, 500);
  const std::vector<int32_t> other = random_tokens(random, 60, 500);
  engine.run({.id = "old", .tokens = old, .max_tokens = 0});
  engine.run({.id = "other", .tokens = other, .max_tokens = 0});
  Task task{.id = "new", .tokens = old, .max_tokens = 1};
  task.tokens.insert(task.tokens.begin() + 100, other.begin() + 10, other.begin() + 50);
  task.reuse = {
      .policy = Policy::kvshare, .budget = 0.6, .structure = 0.6, .halo = 48, .evidence = true};

  const ReuseReport& report = engine.run(task).reuse;

  ASSERT_EQ(report.donors.size(), 1u);
  EXPECT_EQ(report.donors[0].id, "old");
  EXPECT_EQ(report.computed, 0);  // all has a source
  EXPECT_GT(report.shifted, 0);
  EXPECT_GT(report.evidence.key_drift, 0);
}

TEST_F(Policies, TheEngineReportsAndAnswers) {
  for (const Policy policy : {Policy::cacheblend, Policy::dhd, Policy::probe, Policy::kvshare}) {
    Engine engine(model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32});
    const Response full =
        engine.run({.id = "full", .tokens = tokens, .tenant = "other", .max_tokens = 12});
    engine.run({.id = "old", .tokens = old_tokens, .max_tokens = 0});
    Task task{.id = "new", .tokens = tokens, .max_tokens = 12};
    task.reuse = {.policy = policy, .budget = 0.25, .structure = 0.1, .halo = 8, .last = 16};

    const Response response = engine.run(task);

    const ReuseReport& report = response.reuse;
    EXPECT_EQ(report.prompt_tokens,
              report.exact + report.shifted + report.recomputed + report.computed);
    EXPECT_GT(report.shifted, 20) << policy_name(policy);
    EXPECT_GT(report.recomputed, 10) << policy_name(policy);
    EXPECT_LT(report.computed_share, 1) << policy_name(policy);
    EXPECT_EQ(response.tokens.size(), full.tokens.size());
    task.reuse.budget = 1;
    task.id = "whole";
    EXPECT_EQ(engine.run(task).tokens, full.tokens) << policy_name(policy);
  }
}

}  // namespace
}  // namespace kvs::test
