#include "kvs/transformer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "kvs/compact.h"
#include "kvs/json.h"
#include "kvs/reuse.h"
#include "support/errors.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

std::vector<int32_t> random_prompt(int count, int vocab, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % vocab);
  return tokens;
}

// Largest difference relative to the largest value.
double relative_error(std::span<const float> got, std::span<const float> want) {
  double worst = 0, scale = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    worst = std::max(worst, std::abs(double{got[i]} - want[i]));
    scale = std::max(scale, std::abs(double{want[i]}));
    if (std::isnan(got[i])) return INFINITY;
  }
  return worst / scale;
}

class Gates : public testing::TestWithParam<DType> {
 protected:
  std::vector<float> cold_logits(const std::vector<int32_t>& tokens, KvView& view) {
    view.append_fresh(pool, static_cast<int64_t>(tokens.size()), true);
    return compute_rows(model.transformer, view, tokens, all_positions(tokens.size()), GetParam());
  }

  /// To the last bit on the CPU; elsewhere a row's result may depend on what else is in the batch.
  void expect_same(const std::vector<float>& got, const std::vector<float>& want) const {
    if (model.backend->name() == "cpu") {
      EXPECT_EQ(got, want);
    } else {
      EXPECT_LT(relative_error(got, want), GetParam() == DType::f32 ? 1e-4 : 2e-2);
    }
  }

  std::vector<float> last_logits(const std::vector<float>& logits) const {
    return {logits.end() - model.transformer.config().vocab, logits.end()};
  }

  TinyModel model{data_path("stories260K.gguf")};
  KvPool pool{*model.backend, model.transformer.kv_layout(GetParam()), 64};
};
INSTANTIATE_TEST_SUITE_P(Kv, Gates, testing::Values(DType::f32, DType::f16, DType::bf16, DType::q8),
                         [](const auto& parameter) { return dtype_name(parameter.param); });

TEST_P(Gates, APromptThatReusesItselfGivesTheColdRunsLogits) {
  const auto tokens = random_prompt(150, 512, 1);
  KvView cold;
  const auto want = last_logits(cold_logits(tokens, cold));

  const ReuseDonor donors[] = {{.id = "cold", .tokens = tokens, .exact_rows = 150, .view = &cold}};
  const ReusePlan plan = plan_reuse(tokens, donors, {});
  const KvView warm = build_view(plan, donors, pool);
  ASSERT_EQ(plan.rows_to_compute().size(), 1u);

  const auto got =
      compute_rows(model.transformer, warm, tokens, plan.rows_to_compute(), GetParam());

  expect_same(last_logits(got), want);
}

TEST_P(Gates, RecomputingAllKeptRowsIsTheFullRun) {
  const auto body = random_prompt(120, 512, 2), line = random_prompt(10, 512, 3);
  std::vector<int32_t> old_prompt = random_prompt(7, 512, 4), tokens = line;
  old_prompt.insert(old_prompt.end(), body.begin(), body.end());
  tokens.insert(tokens.end(), body.begin(), body.end());
  KvView donor, cold;
  cold_logits(old_prompt, donor);
  const auto want = last_logits(cold_logits(tokens, cold));

  const ReuseDonor donors[] = {
      {.id = "old", .tokens = old_prompt, .exact_rows = 127, .view = &donor}};
  const ReusePlan plan = plan_reuse(tokens, donors, {.policy = Policy::epic, .sinks = 1000});
  ASSERT_EQ(plan.count(PlanSpan::Kind::recomputed), 120);
  const KvView view = build_view(plan, donors, pool);
  const auto got =
      compute_rows(model.transformer, view, tokens, plan.rows_to_compute(), GetParam());

  expect_same(last_logits(got), want);
}

TEST_P(Gates, ChunksOfAnySizeGiveTheSameLogits) {
  const auto tokens = random_prompt(100, 512, 5);
  KvView whole, chunked;
  const auto want = cold_logits(tokens, whole);
  chunked.append_fresh(pool, 100, true);

  const auto got = compute_rows(model.transformer, chunked, tokens, all_positions(100), GetParam(),
                                /*chunk=*/7);

  expect_same(got, want);
}

TEST_P(Gates, FewerRowsAtOnceGiveTheSameLogits) {
  const auto tokens = random_prompt(100, 512, 5);
  KvView whole, parted;
  const auto want = last_logits(cold_logits(tokens, whole));
  parted.append_fresh(pool, 100, true);
  Batch batch{.tokens = tokens, .logits_rows = {99}};
  for (int32_t position = 0; position < 100; ++position) {
    const KvView::Slot slot = parted.slot(position);
    batch.layout.rows.push_back({.position = position, .block = slot.block, .slot = slot.row});
  }
  batch.layout.sequences.push_back(parted.runs(100));
  std::vector<int64_t> firsts;

  model.transformer.run(
      batch, GetParam(),
      [&](int layer, int64_t first, const Tensor& qkv, const BatchPlan&) {
        if (layer == 0) firsts.push_back(first);
        EXPECT_EQ(qkv.shape[0], first < 70 ? 35 : 30);
      },
      /*rows_at_once=*/35);
  std::vector<float> got;
  model.transformer.download_logits(1, got);

  expect_same(got, want);
  EXPECT_EQ(firsts, (std::vector<int64_t>{0, 35, 70}));
}

// The noise floor of kvs-eval run needs no run with other threads because of this.
TEST_P(Gates, AnyNumberOfThreadsGivesTheSameLogits) {
  if (model.backend->name() != "cpu") GTEST_SKIP() << "threads are the CPU's";
  const auto tokens = random_prompt(700, 512, 9);
  const auto logits = [&](Compute compute, int threads, size_t chunk) {
    TinyModel other(data_path("stories260K.gguf"), compute, {.device = "cpu", .threads = threads});
    KvPool blocks(*other.backend, other.transformer.kv_layout(GetParam()), 12);
    KvView view;
    view.append_fresh(blocks, 700, true);
    return compute_rows(other.transformer, view, tokens, all_positions(700), GetParam(), chunk);
  };

  for (const Compute compute : {Compute::f32, Compute::bf16}) {
    const auto want = logits(compute, 1, Transformer::kMaxLogitsRows);
    for (const int threads : {2, 5, 16}) {
      EXPECT_EQ(logits(compute, threads, Transformer::kMaxLogitsRows), want) << threads;
      EXPECT_EQ(logits(compute, threads, 3), want) << threads;  // decoding's few rows
    }
  }
}

TEST_P(Gates, KeptRowsComeCloseToTheFullRun) {
  // A moved body behind another line: not equal, but far from unrelated.
  const auto body = random_prompt(200, 512, 6), line = random_prompt(10, 512, 7);
  std::vector<int32_t> old_prompt = random_prompt(7, 512, 8), tokens = line;
  old_prompt.insert(old_prompt.end(), body.begin(), body.end());
  tokens.insert(tokens.end(), body.begin(), body.end());
  KvView donor, cold;
  const auto unrelated = last_logits(cold_logits(old_prompt, donor));
  const auto want = last_logits(cold_logits(tokens, cold));
  const ReuseDonor donors[] = {
      {.id = "old", .tokens = old_prompt, .exact_rows = 207, .view = &donor}};
  const ReusePlan plan = plan_reuse(tokens, donors, {.policy = Policy::naive});
  ASSERT_EQ(plan.count(PlanSpan::Kind::shifted), 199);
  const KvView view = build_view(plan, donors, pool);

  const auto got =
      compute_rows(model.transformer, view, tokens, plan.rows_to_compute(), GetParam());

  EXPECT_LT(relative_error(last_logits(got), want), 0.2);
}

TEST_P(Gates, ACompactedViewGivesTheSameLogits) {
  const auto body = random_prompt(150, 512, 6), line = random_prompt(9, 512, 7);
  std::vector<int32_t> tokens = line;
  tokens.insert(tokens.end(), body.begin(), body.end());
  KvView first, second, edited;
  cold_logits(body, first);
  cold_logits(line, second);
  edited.append_shared(second, 0, 9, true);
  edited.append_shared(first, 0, 149, true);  // 9 positions behind its home
  const AttentionConfig config = model.transformer.attention_config(GetParam());

  KvView compact = compacted(edited, pool, config);

  EXPECT_EQ(compact.size(), 158);
  EXPECT_EQ(compact.block_count(), 3);
  EXPECT_EQ(compact.exact_rows(), 9);
  EXPECT_EQ(compact.slot(100).home, 100);
  edited.append_fresh(pool, 1, false);
  compact.append_fresh(pool, 1, false);
  const std::vector<int64_t> last{158};
  const auto want = compute_rows(model.transformer, edited, tokens, last, GetParam());
  const auto got = compute_rows(model.transformer, compact, tokens, last, GetParam());
  const double bounds[] = {1e-4, 5e-3, 3e-2, 5e-2};  // f32, f16, bf16, q8
  EXPECT_LT(relative_error(got, want), bounds[static_cast<int>(GetParam())]);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// A model and the folder with its golden logits, which its GGUF twin shares.
struct Family {
  const char* folder;
  const char* file;
};

// Logits at every position against the reference implementation (scripts/make_golden_models.py).
class Families : public testing::TestWithParam<Family> {};

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Values(Family{"llama", ""}, Family{"llama", "/model.gguf"},
                                         Family{"llama-linear", ""},
                                         Family{"llama-linear", "/model.gguf"},
                                         Family{"llama-llama3", ""},
                                         Family{"llama-llama3", "/model.gguf"},
                                         Family{"mistral", ""}, Family{"mistral-window", ""},
                                         Family{"qwen2", ""}, Family{"qwen2", "/model.gguf"},
                                         Family{"qwen3", ""}, Family{"qwen3", "/model.gguf"}),
                         [](const auto& parameter) {
                           std::string name = parameter.param.folder;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + (*parameter.param.file ? "_gguf" : "_safetensors");
                         });

TEST_P(Families, AgreesWithTheReferenceAtEveryPosition) {
  const std::string folder = data_path(std::string("models/") + GetParam().folder);
  std::vector<int32_t> tokens;
  const Json golden = Json::parse(read_file(folder + "/golden.json"), folder);
  for (const Json& token : golden.get("tokens").as_array())
    tokens.push_back(static_cast<int32_t>(token.as_int()));
  const std::string bytes = read_file(folder + "/logits.f32");
  std::vector<float> want(bytes.size() / sizeof(float));
  std::memcpy(want.data(), bytes.data(), bytes.size());

  TinyModel model(folder + GetParam().file);
  KvPool pool(*model.backend, model.transformer.kv_layout(DType::f32), 8);
  KvView view;
  view.append_fresh(pool, static_cast<int64_t>(tokens.size()), true);
  const auto got =
      compute_rows(model.transformer, view, tokens, all_positions(tokens.size()), DType::f32);

  const size_t vocab = model.transformer.config().vocab;
  ASSERT_EQ(want.size(), tokens.size() * vocab);
  for (size_t row = 0; row < tokens.size(); ++row)
    EXPECT_LT(relative_error(std::span(got).subspan(row * vocab, vocab),
                             std::span(want).subspan(row * vocab, vocab)),
              1e-4)
        << row;
}

}  // namespace
}  // namespace kvs::test
