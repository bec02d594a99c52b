#include <gtest/gtest.h>

#include "kvs/engine.h"
#include "support/errors.h"
#include "support/stories.h"

// What an engine takes of earlier prompts, and whom it lets have its rows.
namespace kvs::test {
namespace {

TEST_F(Stories, CountsFuzzyRowsApartAndWithinTheTenant) {
  const auto all_alike = [](auto targets, auto donors) {
    return std::vector<float>(targets.size() * donors.size(), 1);
  };
  Engine fuzzy(model.transformer, tokenizer.get(),
               {.max_blocks = 64, .kv_type = DType::f32, .cosines = all_alike});
  Task first = task(body), own = task(body, "own"), foreign = task(body, "foreign");
  first.tenant = own.tenant = "a";
  foreign.tenant = "b";
  own.tokens[20] = foreign.tokens[20] = (own.tokens[20] + 1) % 512;
  own.store = foreign.store = false;
  fuzzy.run(first);

  for (const Policy policy : {Policy::naive, Policy::epic, Policy::kvshare}) {
    own.reuse = foreign.reuse = {.policy = policy,
                                 .budget = 0.1,
                                 .structure = 0.05,
                                 .sinks = 4,
                                 .halo = 4,
                                 .last = 4,
                                 .fuzzy = 0.9};
    const ReuseReport mine = fuzzy.run(own).reuse;
    EXPECT_EQ(mine.exact, 20);
    EXPECT_EQ(mine.fuzzy, 1);
    EXPECT_GT(mine.shifted, 0);
    EXPECT_EQ(mine.computed, 0);
    EXPECT_EQ(mine.prompt_tokens, mine.exact + mine.shifted + mine.fuzzy + mine.recomputed);
    const ReuseReport others = fuzzy.run(foreign).reuse;
    EXPECT_EQ(others.fuzzy, 0);
    EXPECT_EQ(others.exact + others.computed + others.recomputed, others.prompt_tokens);
  }
  own.reuse = {.policy = Policy::naive};
  EXPECT_EQ(fuzzy.run(own).reuse.fuzzy, 0);
}

TEST_F(Stories, FuzzyReuseWithoutEmbeddingsIsAnError) {
  engine.run(task(body));
  Task asked = task(body);
  asked.reuse.fuzzy = 0.9;

  const Response response = engine.run(asked);

  EXPECT_EQ(response.finish_reason, "error");
  EXPECT_EQ(response.error, "fuzzy reuse needs the embeddings of tokens");
}

TEST_F(Stories, ReusesAnIdenticalPromptLosslessly) {
  const std::string prompt = "Once upon a time, Tim had a red car and a blue ball. One day";
  const Response cold = engine.run(task(prompt, "cold"));

  const Response warm = engine.run(task(prompt, "warm"));

  EXPECT_EQ(warm.text, cold.text);
  EXPECT_EQ(warm.reuse.exact, warm.reuse.prompt_tokens - 1);
  EXPECT_EQ(warm.reuse.recomputed, 1);
  ASSERT_EQ(warm.reuse.donors.size(), 1u);
  EXPECT_EQ(warm.reuse.donors[0].id, "cold");
}

TEST_F(Stories, ReusesWhatFollowsAChangedFirstLine) {
  engine.run(task("Ben: " + body, "old"));

  const Response response = engine.run(task("Sue and Ann: " + body, "new"));

  EXPECT_GT(response.reuse.shifted, 20);
  EXPECT_EQ(response.reuse.prompt_tokens, response.reuse.exact + response.reuse.shifted +
                                              response.reuse.recomputed + response.reuse.computed);
}

// What an answer costs follows its computed rows, not the prompt's length.
TEST_F(Stories, RunsLayersOnlyForTheRowsThatItComputes) {
  engine.run(task("Ben: " + body, "old"));
  for (const Policy policy : {Policy::naive, Policy::epic, Policy::kvshare}) {
    Task asked = task("Sue and Ann: " + body, "new");
    asked.store = false;
    asked.reuse = {.policy = policy,
                   .budget = 0.1,
                   .structure = 0.1,
                   .sinks = 2,
                   .halo = 2,
                   .last = 2,
                   .min_span = 8};

    const ReuseReport reuse = engine.run(asked).reuse;

    ASSERT_GT(reuse.shifted, reuse.prompt_tokens / 2) << policy_name(policy);
    EXPECT_DOUBLE_EQ(reuse.computed_share, static_cast<double>(reuse.recomputed + reuse.computed) /
                                               static_cast<double>(reuse.prompt_tokens))
        << policy_name(policy);
  }
}

TEST_F(Stories, TellsThePlanBeforeItComputes) {
  engine.run(task("Ben: " + body, "old"));
  for (const double budget : {0.1, 0.9}) {  // the second one is measured
    std::string order;
    Task asked = task("Sue and Ann: " + body, "new");
    asked.store = false;
    asked.reuse = {.policy = Policy::kvshare, .budget = budget, .structure = 0.1};
    asked.on_plan = [&](const ReusePlan& plan) { order += plan.kept() > 20 ? "plan " : "none "; };
    asked.on_prompt = [&](const LayeredView&) { order += "prompt"; };

    engine.run(asked);

    EXPECT_EQ(order, "plan prompt");
  }
}

TEST_F(Stories, NeverOffersApproximateRowsToOthers) {
  engine.run(task("Ben: " + body, "old"));
  const Response edited = engine.run(task("Sue and Ann: " + body, "edited"));
  ASSERT_GT(edited.reuse.shifted, 20);

  const Response again = engine.run(task("Sue and Ann: " + body, "again"));

  // The edited prompt's own rows end where its first shifted row stood.
  EXPECT_LE(again.reuse.exact, edited.reuse.prompt_tokens - edited.reuse.shifted);
  for (const DonorUse& donor : again.reuse.donors)
    if (donor.id == "edited") {
      EXPECT_LE(donor.tokens, again.reuse.exact);
    }
}

// Whatever the policy, also where all rows are computed again that were kept at first.
TEST_F(Stories, KnowsThatItsRowsAreApproximate) {
  for (const Policy policy : {Policy::naive, Policy::epic, Policy::cacheblend, Policy::dhd,
                              Policy::probe, Policy::kvshare})
    for (const double budget : {0.1, 1.0}) {
      Engine own(model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32});
      Task edited = task("Sue and Ann: " + body, "edited"), again = task(body, "again");
      for (Task* next : {&edited, &again})
        next->reuse = {.policy = policy, .budget = budget, .sinks = budget < 1 ? 4 : 1 << 20};
      own.run(task("Ben: " + body, "old"));

      const ReuseReport first = own.run(edited).reuse, second = own.run(again).reuse;

      const bool planned = policy == Policy::epic && budget == 1;  // nothing was ever kept
      EXPECT_TRUE(first.shifted > 0 || budget == 1) << policy_name(policy);
      EXPECT_EQ(first.depth, planned ? 0 : 1) << policy_name(policy) << " " << budget;
      for (const DonorUse& donor : second.donors)
        EXPECT_TRUE(donor.id == "old" || planned) << policy_name(policy) << " " << budget;
    }
}

TEST_F(Stories, ALoneFuzzyRowMakesTheOthersApproximate) {
  const auto all_alike = [](auto targets, auto donors) {
    return std::vector<float>(targets.size() * donors.size(), 1);
  };
  Engine fuzzy(model.transformer, tokenizer.get(),
               {.max_blocks = 64, .kv_type = DType::f32, .cosines = all_alike});
  Task old = task(body, "old"), edited = old;
  edited.id = "edited";
  edited.tokens[10] = edited.tokens[30];
  edited.reuse = {.policy = Policy::epic, .sinks = 1 << 20, .fuzzy = 0.9};
  fuzzy.run(old);

  const ReuseReport report = fuzzy.run(edited).reuse;

  ASSERT_EQ(report.fuzzy, 1);
  ASSERT_EQ(report.shifted, 0);
  EXPECT_EQ(report.depth, 1);
}

TEST_F(Stories, OffersApproximateRowsOfTheDepthThatIsAllowed) {
  for (const int allowed : {0, 1, 2}) {
    Engine deep(model.transformer, tokenizer.get(),
                {.max_blocks = 64, .kv_type = DType::f32, .donors = {.max_depth = allowed}});
    deep.run(task("Ben: " + body, "old"));
    const std::string tail =
        " A little bird sang in the garden every morning until the old cat came out of the house "
        "and looked up at the sky. The boy gave his friend a yellow boat, and they went to the "
        "lake.";
    const Response first = deep.run(task("Sue and Ann: " + body + tail, "first"));
    ASSERT_GT(first.reuse.shifted, 20);
    EXPECT_EQ(first.reuse.depth, 1);

    const Response second = deep.run(task("Tim: " + tail, "second"));

    EXPECT_EQ(second.reuse.shifted > 10, allowed > 0) << allowed;
    EXPECT_EQ(second.reuse.depth, allowed > 0 ? 2 : 0) << allowed;
  }
}

TEST_F(Stories, GoesOnOverItsOwnApproximateConversation) {
  engine.run(task("Ben: " + body, "old"));
  Task first = task("Sue and Ann: " + body, "turn 1");
  first.conversation = "chat";
  engine.run(first);

  Task second = task("Sue and Ann: " + body + " a big dog", "turn 2");
  second.reuse.policy = Policy::epic;
  second.conversation = "chat";
  const Response response = engine.run(second);

  EXPECT_GT(response.reuse.exact + response.reuse.shifted, response.reuse.prompt_tokens - 12);
}

TEST_F(Stories, KeepsTenantsApart) {
  const std::string prompt = "Once upon a time, Tim had a red car and a blue ball. One day";
  Task mine = task(prompt, "mine");
  mine.tenant = "a";
  engine.run(mine);
  Task theirs = mine;
  theirs.tenant = "b";

  const Response response = engine.run(theirs);

  EXPECT_EQ(response.reuse.computed, response.reuse.prompt_tokens);
  EXPECT_EQ(response.reuse.reason, ReuseReason::no_donor);
  EXPECT_TRUE(response.reuse.donors.empty());
}

TEST_F(Stories, SharesBlocksInsteadOfCopyingThem) {
  std::string prompt;
  while (encode(prompt).size() < 200) prompt += "Tim had a red car and a blue ball. ";
  Task cold = task(prompt, "cold");
  cold.max_tokens = 0;
  engine.run(cold);
  const int64_t before = engine.pool().blocks_in_use();

  cold.id = "warm";
  cold.on_prompt = [&](const LayeredView& view) {
    EXPECT_EQ(view.size(), static_cast<int64_t>(cold.tokens.size()));
    EXPECT_EQ(engine.pool().blocks_in_use(), before + 1);  // for the last row
  };
  engine.run(cold);

  EXPECT_EQ(engine.pool().blocks_in_use(), before);
}

TEST_F(Stories, GivesUpOldDonorsWhenThePoolIsFull) {
  for (int i = 0; i < 40; ++i) {
    std::string prompt = fmt::format("{} ", i);
    while (encode(prompt).size() < 250) prompt += fmt::format("Tim had {} red cars. ", i);
    EXPECT_NE(engine.run(task(prompt)).finish_reason, "error") << i;
  }
  EXPECT_LE(engine.pool().blocks_in_use(), 64);
  EXPECT_GE(engine.donors().size(), 5);
}

TEST_F(Stories, KeepsOneDonorForAPromptAndItsContinuation) {
  std::vector<int32_t> tokens = encode(body);
  Task prompt = task(body, "prompt");
  prompt.max_tokens = 0;
  engine.run(prompt);
  ASSERT_EQ(engine.donors().size(), 1);

  const Response longer = engine.run(task(body + " The end. Lily and Tim", "longer"));

  EXPECT_GE(longer.reuse.exact, static_cast<int64_t>(tokens.size()) - 2);
  EXPECT_EQ(engine.donors().size(), 1);
  EXPECT_EQ(engine.run(task(body, "again")).reuse.donors.at(0).id, "longer");
}

}  // namespace
}  // namespace kvs::test
