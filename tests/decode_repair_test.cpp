#include "engine/decode_repair.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/sequence.h"
#include "engine/step_batch.h"
#include "kvs/gguf.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

class Repair : public testing::Test {
 protected:
  static constexpr int kSteps = 24;

  std::vector<float> compute(const KvView& view, const std::vector<int32_t>& own,
                             const std::vector<int64_t>& positions) {
    return compute_rows(model.transformer, view, own, positions, DType::f32);
  }

  /// A full run's logits over prompt and `answer`, and its greedy answer where there is none yet.
  std::vector<std::vector<float>> full_run() {
    std::vector<int32_t> all = tokens;
    KvView view;
    std::vector<std::vector<float>> logits;
    view.append_fresh(pool, static_cast<int64_t>(all.size()), true);
    std::vector<float> last = compute(view, all, all_positions(all.size()));
    for (int step = 0; step < kSteps; ++step) {
      logits.emplace_back(last.end() - 512, last.end());
      const auto best = std::max_element(logits.back().begin(), logits.back().end());
      answer.push_back(static_cast<int32_t>(best - logits.back().begin()));
      all.push_back(answer.back());
      view.append_fresh(pool, 1, true);
      last = compute(view, all, {view.size() - 1});
    }
    return logits;
  }

  static double divergence(std::span<const float> p, std::span<const float> q) {
    const auto log_sum = [](std::span<const float> x) {
      double sum = 0;
      for (const float value : x) sum += std::exp(double{value});
      return std::log(sum);
    };
    const double p_sum = log_sum(p), q_sum = log_sum(q);
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i)
      sum += std::exp(p[i] - p_sum) * ((p[i] - p_sum) - (q[i] - q_sum));
    return sum;
  }

  struct Outcome {
    double divergence = 0;  // of the second half of the steps
    int64_t repaired = 0;
  };
  /// Decodes along the full run's answer, over everything that the donor has.
  Outcome decode(const std::vector<std::vector<float>>& full, int64_t repair_rows) {
    KvView old;
    old.append_fresh(pool, static_cast<int64_t>(old_tokens.size()), true);
    compute(old, old_tokens, all_positions(old_tokens.size()));
    const ReuseDonor donors[] = {{.id = "old",
                                  .tokens = old_tokens,
                                  .exact_rows = static_cast<int64_t>(old_tokens.size()),
                                  .view = &old}};
    Task task{.id = "new", .tokens = tokens, .max_tokens = 1000};
    task.reuse = {.policy = Policy::naive, .repair_rows = repair_rows};
    const ReusePlan plan = plan_reuse(tokens, donors, task.reuse);
    const auto before = bytes_of(old);
    Sequence sequence(task, {}, nullptr);
    sequence.start(plan, donors, build_view(plan, donors, pool));
    sequence.allow_repair(plan, model.transformer);

    Outcome outcome;
    std::vector<float> logits;
    for (int step = 0; step < kSteps;) {
      const std::vector<int64_t> rows = sequence.next_rows(512, pool);
      std::vector<int32_t> own;
      for (const int64_t row : rows) own.push_back(sequence.token_at(row));
      StepBatch batch;
      batch.add(sequence.view, rows, own, true);
      const auto last = static_cast<int32_t>(rows.size()) - 1;
      model.transformer.forward(
          batch.finish(), DType::f32, logits,
          [&](int layer, int64_t, const Tensor& qkv, const BatchPlan& batch_plan) {
            sequence.observe(layer, qkv, batch_plan, last);
          });
      if (step > 0) outcome.repaired += last;
      if (step >= kSteps / 2) outcome.divergence += divergence(full[step], logits);
      std::vector<float> forced(512);
      forced[answer[step++]] = 100;
      sequence.accept(forced);
    }
    EXPECT_EQ(bytes_of(old), before);
    return outcome;
  }

  std::vector<std::byte> bytes_of(const KvView& view) {
    std::vector<std::byte> bytes;
    const size_t size = pool.layout().block_bytes();
    for (const Segment& segment : view.segments()) {
      bytes.resize(bytes.size() + size);
      model.backend->download(bytes.data() + bytes.size() - size, segment.block.data(), size);
    }
    return bytes;
  }

  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  const std::string body =
      "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park. "
      "The dog wanted to play with the ball. ";
  std::vector<int32_t> old_tokens = tokenizer->encode("Ben: " + body);
  std::vector<int32_t> tokens = tokenizer->encode("Lily and her mom said: " + body + "Then");
  std::vector<int32_t> answer;
  TinyModel model{data_path("stories260K.gguf")};
  KvPool pool{*model.backend, model.transformer.kv_layout(DType::f32), 64};
};

TEST_F(Repair, BringsTheAnswerCloserToTheFullRun) {
  const auto full = full_run();

  const Outcome plain = decode(full, 0), repaired = decode(full, 4);

  EXPECT_EQ(plain.repaired, 0);
  EXPECT_GE(repaired.repaired, 40);
  EXPECT_GT(plain.divergence, 0);
  EXPECT_LT(repaired.divergence, plain.divergence / 2);
}

TEST_F(Repair, TakesTheRowsThatReceiveMostAndAreLikelyToBeOff) {
  KvView view;
  view.append_fresh(pool, static_cast<int64_t>(tokens.size()), true);
  compute(view, tokens, all_positions(tokens.size()));
  const auto size = static_cast<int64_t>(tokens.size());
  std::vector<DecodeRepair::Row> kept;  // those further back are expected to be less off
  for (int64_t row = 0; row < size - 1; ++row)
    kept.push_back({row, 1 / (1 + static_cast<double>(row) / 8)});
  DecodeRepair repair(model.transformer, kept, size, 1);
  EXPECT_TRUE(repair.take(8).empty());  // nothing was seen yet
  std::vector<float> mass(tokens.size());
  const Buffer sum(*model.backend, DType::f32, {size});
  model.backend->zero(sum.tensor().data, mass.size() * sizeof(float));
  StepBatch batch;
  const int64_t last_row[] = {size - 1};
  LayeredView layered(view);
  batch.add(layered, last_row, std::span(&tokens.back(), 1), true);
  std::vector<float> logits;
  model.transformer.forward(batch.finish(), DType::f32, logits,
                            [&](int layer, int64_t, const Tensor& qkv, const BatchPlan& plan) {
                              const int32_t row = 0;
                              repair.observe(layer, qkv, plan, row);
                              if (layer < 5)
                                model.backend->attention_mass(sum.tensor(), qkv, plan, layer,
                                                              std::span(&row, 1));
                            });
  model.backend->download(mass.data(), sum.tensor().data, mass.size() * sizeof(float));
  mass.pop_back();

  const std::vector<int64_t> first = repair.take(8);
  for (int step = 1; step < DecodeRepair::kBurst; ++step) EXPECT_TRUE(repair.take(8).empty());
  const std::vector<int64_t> second = repair.take(1);

  ASSERT_EQ(first.size(), 4u);
  ASSERT_EQ(second.size(), 1u);
  std::vector<double> scores;
  for (const DecodeRepair::Row& row : kept) scores.push_back(mass[row.position] * row.deviation);
  std::vector<double> sorted = scores;
  std::sort(sorted.rbegin(), sorted.rend());
  for (const int64_t row : first) EXPECT_GE(scores[row], sorted[3]);
  EXPECT_EQ(scores[second[0]], sorted[4]);
}

// Rows that were dropped before they led to a token were no reuse.
TEST_F(Repair, APromptThatMadeWayCountsWhatItsSecondStartFinds) {
  KvView old;
  old.append_fresh(pool, static_cast<int64_t>(old_tokens.size()), true);
  const ReuseDonor donors[] = {{.id = "old",
                                .tokens = old_tokens,
                                .exact_rows = static_cast<int64_t>(old_tokens.size()),
                                .view = &old}};
  const Task task{.id = "new", .tokens = tokens, .reuse = {.policy = Policy::naive}};
  const ReusePlan plan = plan_reuse(tokens, donors, task.reuse);
  Sequence sequence(task, {}, nullptr);
  sequence.start(plan, donors, build_view(plan, donors, pool));
  ASSERT_GT(sequence.report.shifted, 0);

  sequence.drop_rows();
  const auto size = static_cast<int64_t>(tokens.size());
  KvView again;
  again.append_fresh(pool, size, true);
  sequence.start_again({std::move(again), {size - 2, size - 1}});

  const ReuseReport& report = sequence.report;
  EXPECT_EQ(report.exact, size - 2);
  EXPECT_EQ(report.computed, 2);
  EXPECT_EQ(report.shifted + report.fuzzy + report.recomputed, 0);
  EXPECT_DOUBLE_EQ(report.computed_share, 2 / static_cast<double>(size));
  EXPECT_TRUE(report.donors.empty());
}

TEST(EarlyRows, CountAsComputed) {
  const std::vector<int32_t> tokens(100);
  KvView view;
  const ReuseDonor donors[] = {{.id = "d", .tokens = tokens, .exact_rows = 100, .view = &view}};
  ReusePlan plan;
  plan.spans = {
      {.kind = PlanSpan::Kind::exact, .first = 0, .count = 60, .donor = 0},
      {.kind = PlanSpan::Kind::shifted, .first = 60, .count = 20, .donor = 0, .donor_first = 80},
      {.kind = PlanSpan::Kind::computed, .first = 80, .count = 20}};
  Sequence sequence({.id = "p", .tokens = tokens}, {}, nullptr);
  sequence.early = {.first = 10, .end = 70};
  sequence.start_computed(plan, donors, LayeredView(), 0.2);

  const ReuseReport& report = sequence.report;
  EXPECT_EQ(report.exact, 10);
  EXPECT_EQ(report.computed, 20 + 50);
  EXPECT_EQ(report.shifted, 20);
  EXPECT_DOUBLE_EQ(report.computed_share, 0.2 + 0.5);
  ASSERT_EQ(report.donors.size(), 1u);
  EXPECT_EQ(report.donors[0].tokens, 10 + 20);
  EXPECT_EQ(report.spans.at(1).first, 10);
  EXPECT_EQ(report.spans.at(1).kind, PlanSpan::Kind::computed);
}

}  // namespace
}  // namespace kvs::test
