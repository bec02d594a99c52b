#include <gtest/gtest.h>

#include "kvs/cost_model.h"
#include "kvs/engine.h"
#include "kvs/gguf.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"
#include "support/token_texts.h"

namespace kvs::test {
namespace {

class TierEngine : public testing::Test {
 protected:
  std::unique_ptr<Engine> engine(int64_t blocks = 64, int parallel = 1) {
    auto made = std::make_unique<Engine>(
        model.transformer, tokenizer.get(),
        EngineOptions{.max_blocks = blocks, .kv_type = DType::f32, .parallel = parallel});
    made->donors().open_tiers(
        {.disk = folder.path().string(), .first_look_ms = 600'000, .load_ms = 600'000},
        {.model = "m", .fingerprint = "f", .layout = model.transformer.kv_layout(DType::f32)});
    return made;
  }

  Task task(const std::string& text, const std::string& id = "a") const {
    return {.id = id, .tokens = tokenizer->encode(text), .max_tokens = 20, .reuse = {.sinks = 4}};
  }

  static void finish(Engine& engine) {
    EXPECT_TRUE(engine.donors().finish_tiers(std::chrono::minutes(1)));
  }

  const std::string body =
      "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park. "
      "The dog wanted to play with the ball. Lily sat under a tree and ate three cakes with her "
      "mom, but the rain came down and they ran home as fast as they could.";
  TemporaryFolder folder;
  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  TinyModel model{data_path("stories260K.gguf")};
};

TEST_F(TierEngine, AnswersTheSameWithRowsOfAnEarlierRun) {
  Response computed;
  {
    const auto first = engine();
    computed = first->run(task(body));
    finish(*first);
  }
  const auto second = engine();
  const Response reused = second->run(task(body, "b"));

  EXPECT_EQ(reused.text, computed.text);
  EXPECT_EQ(reused.reuse.exact, reused.reuse.prompt_tokens - 1);
  ASSERT_EQ(reused.reuse.donors.size(), 1u);
  EXPECT_EQ(reused.reuse.donors[0].id, "a");
  EXPECT_EQ(second->donors().tiers().at(0).hits, 1);
}

TEST_F(TierEngine, WaitsForNoRowsThatAreSoonComputed) {
  {
    const auto first = engine();
    first->run(task(body));
    finish(*first);
  }
  const auto second = engine();
  CostModel costs{.ms_per_row = 0};
  Task asked = task(body, "b");
  asked.reuse.costs = &costs;
  asked.store = false;

  EXPECT_EQ(second->run(asked).reuse.reason, ReuseReason::no_donor);
  EXPECT_EQ(second->donors().tiers().at(0).late, 1);
  costs.ms_per_row = 600'000;
  EXPECT_GT(second->run(asked).reuse.exact, 0);
}

TEST_F(TierEngine, SaysWhereRowsWereWhenTheyWereAskedFor) {
  {
    const auto first = engine();
    first->run(task(body));
    finish(*first);
  }
  const auto second = engine();
  const Response brought = second->run(task(body, "b")), again = second->run(task(body, "c")),
                 moved = second->run(task("Sue said: " + body, "d"));

  EXPECT_EQ(brought.reuse.donors.at(0).place, DonorPlace::disk);
  EXPECT_EQ(brought.reuse.donors.at(0).exact, brought.reuse.exact);
  EXPECT_EQ(again.reuse.donors.at(0).place, DonorPlace::memory);
  int64_t shifted = 0;
  for (const DonorUse& donor : moved.reuse.donors) {
    EXPECT_EQ(donor.exact + donor.shifted + donor.fuzzy, donor.tokens);
    shifted += donor.shifted;
  }
  EXPECT_EQ(shifted, moved.reuse.shifted);
}

TEST_F(TierEngine, ReusesBehindAnotherBeginning) {
  {
    const auto first = engine();
    first->run(task(body));
    finish(*first);
  }
  const auto second = engine();

  EXPECT_GT(second->run(task("Sue said: " + body)).reuse.shifted, 30);
}

TEST_F(TierEngine, BringsBackWhatMemoryHadToGiveUp) {
  const auto first = engine(8);
  first->run(task(body));
  finish(*first);
  ASSERT_TRUE(first->donors().make_room(8));
  ASSERT_EQ(first->donors().size(), 0);
  const Response again = first->run(task(body, "again"));

  EXPECT_EQ(again.reuse.exact, again.reuse.prompt_tokens - 1);
  EXPECT_EQ(first->donors().tiers().at(0).hits, 1);
  EXPECT_LE(first->pool().blocks_in_use(), 8);
}

TEST_F(TierEngine, KeepsWhatAPromptWaitedForUntilItIsUsed) {
  constexpr int64_t kPrompts = 6;
  const auto some = engine(8);  // room for a prompt, its donor and little else
  const auto prompt = [&](int64_t number) {
    std::mt19937_64 random(number);
    return Task{.id = "p",
                .tokens = random_tokens(random, 150, 500),
                .max_tokens = 20,
                .reuse = {.mode = ReuseMode::exact}};
  };
  for (int64_t number = 0; number < kPrompts; ++number) {
    some->run(prompt(number));
    finish(*some);
  }
  ASSERT_LT(some->donors().size(), kPrompts);

  for (int64_t number = 0; number < kPrompts; ++number)
    EXPECT_EQ(some->run(prompt(number)).reuse.exact, 149) << number;
}

TEST_F(TierEngine, WritesExactRowsOnly) {
  const auto first = engine();
  first->run(task(body));
  Task edited = task("Sue said: " + body, "edited");
  const Response response = first->run(edited);
  ASSERT_GT(response.reuse.shifted, 0);
  finish(*first);
  const auto donors = first->donors().tiers().at(0).donors;

  const DonorLookup lookup{.tokens = edited.tokens, .tenant = ""};
  for (const ReuseDonor& donor : first->donors().find(lookup))
    EXPECT_EQ(donor.exact_rows, std::ssize(donor.tokens));
  EXPECT_LE(donors, 2);
}

TEST_F(TierEngine, WorksOnOthersWhileRowsAreOnTheirWay) {
  {
    const auto first = engine();
    first->run(task(body));
    finish(*first);
  }
  const auto second = engine(64, 4);
  std::vector<std::string> reasons;
  int64_t exact = 0;
  for (int copy = 0; copy < 8; ++copy) {
    Task some = task(copy % 2 == 0 ? body : "Number " + std::to_string(copy) + ": the dog ran.");
    second->submit(std::move(some), [&](const Response& response) {
      reasons.push_back(response.finish_reason);
      exact += response.reuse.exact;
    });
  }
  while (second->step()) {
  }

  EXPECT_EQ(reasons, std::vector<std::string>(8, "length"));
  EXPECT_GE(exact, 4 * (std::ssize(task(body).tokens) - 1));
  EXPECT_EQ(second->donors().tiers().at(0).hits, 1);  // they wait for the same rows
}

}  // namespace
}  // namespace kvs::test
