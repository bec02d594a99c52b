#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "kvs/evaluation.h"
#include "kvs/guard.h"
#include "support/installed_model.h"
#include "support/tiny_model.h"
#include "tools/shipped_policies.h"

// What is promised of reuse, kept by a real model on 8 requests of each sample workload.
namespace kvs::test {
namespace {

struct Figures {
  int64_t requests = 0, reused = 0, broken = 0, tokens_reused = 0;
  double kl = 0, largest_kl = 0;  // sum over the requests that reuse, and the largest
};

class SmolLm2Reuse : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no model, run scripts/get-model smollm2";
    model = std::make_unique<TinyModel>(path, Compute::bf16);
    prompts = std::make_unique<PromptEncoder>(path, PromptEncoder::Options{});
  }

  Workload sample(const char* name) const {
    std::ifstream file(data_path("workloads/" + std::string(name) + ".jsonl"));
    const auto groups = read_tenant_groups(data_path("workloads/tenants.json"));
    Workload workload = read_workload(file, name, name, *prompts, {.groups = groups});
    mark_similar(workload);
    return workload;
  }

  // Of one policy, over all of the workloads.
  Figures replay(const ReuseOptions& reuse) const {
    Figures figures;
    EvaluationOptions options{
        .contestants = {{}, {.policy = reuse.policy, .budget = reuse.budget}},
        .engine = {.max_blocks = 400, .kv_type = DType::f16},
        .reuse = reuse,
        .answers = false,
        .exactify = true,
        .noise_rows = 0,
        .on_result = [&](const Contestant& contestant, const ReuseReport& report, double kl) {
          if (contestant.policy == Policy::full) return;
          ++figures.requests;
          if (report.exact + report.shifted == 0) return;
          ++figures.reused;
          figures.tokens_reused += report.exact + report.shifted;
          figures.broken += kl > GuardPromise{}.max_kl;
          figures.kl += kl;
          figures.largest_kl = std::max(figures.largest_kl, kl);
        }};
    for (const char* name : {"dialogue", "edit", "fewshot", "paraphrase", "rag", "volatile"})
      run_evaluation(model->transformer, prompts->tokenizer(), sample(name), options);
    std::printf("%ld of %ld requests reuse %ld tokens; KL mean %.4f, largest %.4f\n",
                figures.reused, figures.requests, figures.tokens_reused,
                figures.kl / static_cast<double>(std::max<int64_t>(1, figures.reused)),
                figures.largest_kl);
    return figures;
  }

  const std::string path = installed_smollm2();
  std::unique_ptr<TinyModel> model;
  std::unique_ptr<PromptEncoder> prompts;
};

TEST_F(SmolLm2Reuse, ChangesNothingInExactMode) {
  const Figures figures = replay({.mode = ReuseMode::exact, .policy = Policy::kvshare});
  EXPECT_GT(figures.reused, 10);
  if (model->backend->name() == "cpu")
    EXPECT_EQ(figures.largest_kl, 0);  // not a bit of the logits
  else  // there a row's bits may depend on the others in the batch, at most as a rounding does
    EXPECT_LT(figures.largest_kl, GuardPromise{}.max_kl / 10);
}

TEST_F(SmolLm2Reuse, KeepsTheGuardsPromise) {
  const Guard guard = [] {
    const ShippedPolicy& policy = shipped_policies().front();
    const std::string name(policy.name);
    const Json json = Json::parse(policy.text, name);
    return Guard::from_json(json.get("calibration").get("guard"), name, {});
  }();

  const Figures kvshare = replay({.policy = Policy::kvshare, .guard = &guard});
  const Figures naive = replay({.policy = Policy::naive});

  EXPECT_GT(kvshare.reused, 10);
  EXPECT_GT(2 * kvshare.tokens_reused, naive.tokens_reused);
  EXPECT_LE(20 * kvshare.broken, kvshare.reused);  // one in twenty
  EXPECT_LT(kvshare.kl, naive.kl / 2);
}

}  // namespace
}  // namespace kvs::test
