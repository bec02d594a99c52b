#include <gtest/gtest.h>

#include "kvs/cost_model.h"
#include "kvs/gguf.h"
#include "support/disk_tier_scene.h"
#include "support/redis_server.h"
#include "support/tiny_model.h"

// Prompts whose first rows are computed while the others are on their way from a tier.
namespace kvs::test {
namespace {

class EarlyStart : public DiskTier {
 protected:
  void SetUp() override {
    const auto first = process(options());
    add(*first, "a", 1, kRows);
    finish(*first);
  }

  static constexpr int64_t kRows = 1200;  // five pieces
};

TEST_F(EarlyStart, MeetsTheRowsThatCome) {
  const auto second = process(options());
  const Tokens tokens = text(1, kRows);
  const DonorLookup lookup{.tokens = tokens, .tenant = "a"};
  const KvView own = rows(second->pool, 1, 1024);
  Prefetch prefetch = second->store.prefetch(lookup, {});
  EXPECT_GT(second->store.ms_to_spare(prefetch), 0);
  while (second->store.arriving(prefetch)) {  // until the last piece is here
    second->store.wait_for_tiers(std::chrono::milliseconds(5));
    second->store.work_on_tiers();
    second->store.begin_with(prefetch, std::span(tokens).first(1024), own);
  }

  const std::vector<ReuseDonor> found = second->store.find(lookup);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].exact_rows, kRows);
  KvPool other(*backend, layout, kBlocks);
  EXPECT_EQ(bytes_of(layout, *found[0].view), bytes_of(layout, rows(other, 1, kRows)));
  EXPECT_EQ(found[0].view->slot(0).block, own.slot(0).block);
  EXPECT_GE(state(*second).hit_tokens, kRows - 1024);
  EXPECT_LE(state(*second).hit_tokens, kRows - 768);  // two pieces come at once at most
}

TEST_F(EarlyStart, NeedsNoRowsOfATierWhereItHasAll) {
  const auto second = process(options());
  const Tokens tokens = text(1, kRows);
  const DonorLookup lookup{.tokens = tokens, .tenant = "a"};
  Prefetch prefetch = second->store.prefetch(lookup, {});
  second->store.begin_with(prefetch, tokens, rows(second->pool, 1, kRows));

  EXPECT_FALSE(second->store.arriving(prefetch));
  EXPECT_EQ(second->store.ms_to_spare(prefetch), 0);
  second->store.work_on_tiers();
  EXPECT_EQ(state(*second).hits, 0);
  expect_found(*second, "a", 1, kRows);  // others may have waited for it
}

// Another donor comes behind what was being read: the tier reads one after another.
TEST_F(EarlyStart, ReadsNoMoreOfWhatItHas) {
  const auto read = [this](uint64_t seed) {
    const auto alone = process(options());
    expect_found(*alone, "a", seed, kRows);
    return state(*alone).read_bytes;
  };
  {
    const auto first = process(options());
    add(*first, "a", 2, kRows);
    finish(*first);
  }
  const int64_t one = read(1), other = read(2);

  const auto second = process(options());
  const Tokens tokens = text(1, kRows);
  Prefetch prefetch = second->store.prefetch({.tokens = tokens, .tenant = "a"}, {});
  second->store.begin_with(prefetch, tokens, rows(second->pool, 1, kRows));
  expect_found(*second, "a", 2, kRows);
  EXPECT_LT(state(*second).read_bytes, one + other);
}

TEST_F(EarlyStart, TakesNoRowsOfAnotherText) {
  const auto second = process(options());
  Tokens tokens = text(1, kRows);
  tokens[100] += 1;  // in the first piece
  const DonorLookup lookup{.tokens = tokens, .tenant = "a"};
  const KvView own = rows(second->pool, 9, 1024);
  Prefetch prefetch = second->store.prefetch(lookup, {});
  while (second->store.arriving(prefetch)) {
    second->store.wait_for_tiers(std::chrono::milliseconds(5));
    second->store.work_on_tiers();
    second->store.begin_with(prefetch, std::span(tokens).first(1024), own);
  }

  EXPECT_EQ(state(*second).hit_tokens, kRows);  // all of them, whatever is here already
  expect_found(*second, "a", 1, kRows);
}

class SlowTier : public testing::Test {
 protected:
  void SetUp() override {
    if (!RedisServer::is_installed()) GTEST_SKIP() << "redis-server is not installed";
    server = std::make_unique<RedisServer>();
  }

  std::unique_ptr<Engine> engine() {
    auto made = std::make_unique<Engine>(
        model.transformer, tokenizer.get(),
        EngineOptions{.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 32});
    made->donors().open_tiers(
        {.store = server->url(), .first_look_ms = 600'000, .load_ms = 600'000},
        {.model = "m", .fingerprint = "f", .layout = model.transformer.kv_layout(DType::f32)});
    return made;
  }

  Task task(const std::string& id) const {
    std::string text;
    for (int day = 0; day < 12; ++day)
      text +=
          "On day " + std::to_string(day) + " Tim saw a big dog in the park and gave it a ball. ";
    return {
        .id = id, .tokens = tokenizer->encode(text), .max_tokens = 20, .reuse = {.costs = &costs}};
  }

  std::unique_ptr<RedisServer> server;
  CostModel costs{.ms_per_row = 2};
  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  TinyModel model{data_path("stories260K.gguf")};
};

TEST_F(SlowTier, IsNotWaitedForLongerThanComputingTakes) {
  Response computed;
  {
    const auto first = engine();
    computed = first->run(task("a"));
    EXPECT_TRUE(first->donors().finish_tiers(std::chrono::minutes(1)));
  }
  const auto second = engine();
  ASSERT_EQ(second->donors().tiers().at(0).donors, 1);
  Task asked = task("b");
  int64_t computed_early = 0;
  asked.on_plan = [&](const ReusePlan& plan) {
    computed_early = plan.count(PlanSpan::Kind::exact);
  };
  server->pause();
  const Response early = second->run(asked);
  server->go_on();

  EXPECT_GE(computed_early, 32);
  EXPECT_EQ(early.text, computed.text);
  EXPECT_EQ(early.reuse.exact, 0);
  EXPECT_EQ(early.reuse.computed, early.reuse.prompt_tokens);
  EXPECT_DOUBLE_EQ(early.reuse.computed_share, 1);
  EXPECT_TRUE(early.reuse.donors.empty());
  EXPECT_EQ(early.reuse.reason, ReuseReason::no_donor);
  EXPECT_EQ(second->donors().tiers().at(0).hits, 0);
  EXPECT_EQ(second->run(task("c")).reuse.exact, early.reuse.prompt_tokens - 1);
}

}  // namespace
}  // namespace kvs::test
