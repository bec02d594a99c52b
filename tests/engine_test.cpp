#include "kvs/engine.h"

#include <gtest/gtest.h>

#include "support/errors.h"
#include "support/stories.h"

namespace kvs::test {
namespace {

// What the model's author published as its greedy story: 256 tokens from the start token on.
// Source: karpathy/tinyllamas, stories260K/readme.md.
constexpr const char* kStory =
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
    "One day, she saw a big, red ball. She wanted to play with it, but it was too high.\n"
    "Lily's mom said, \"Lily, let's go to the park.\" Lily was sad and didn't know what to do. "
    "She said, \"I want to play with your ball, but I can't find it.\"\n"
    "Lily was sad and didn't know what to do. She said, \"I'm sorry, Lily. I didn't know what to "
    "do.\"\n"
    "Lily didn't want to help her mom, so she said, \"I'm sorry, mom. I didn't know what to do.\" "
    "Her mom said, \"Don't worry, Lily. We can help you.";

TEST_F(Stories, TellsThePublishedStory) {
  const Response response =
      engine.run({.id = "story", .tokens = {*tokenizer->bos()}, .max_tokens = 256});

  EXPECT_EQ(tokenizer->decode(response.tokens), kStory);
  EXPECT_EQ(response.finish_reason, "length");
}

TEST_F(Stories, TellsTheSameStoryInBf16AndWithF16Kv) {
  TinyModel rounded(data_path("stories260K.gguf"), Compute::bf16);
  Engine other(rounded.transformer, tokenizer.get(), {.max_blocks = 16});

  const Response response =
      other.run({.id = "story", .tokens = {*tokenizer->bos()}, .max_tokens = 60});

  EXPECT_EQ(response.text.substr(0, 100), std::string(kStory).substr(0, 100));
}

// Whoever looks at the logits has all of them brought to the host.
TEST_F(Stories, DrawsTheSameWhetherAllLogitsAreLookedAtOrNot) {
  for (const SamplingOptions& sampling : std::vector<SamplingOptions>{
           {},
           {.repetition_penalty = 1.2},
           {.temperature = 1, .top_k = 20, .seed = 5, .presence_penalty = 0.5},
           {.temperature = 1, .top_p = 0.9, .seed = 6}}) {
    Task plain = task(body);
    plain.sampling = sampling;
    Task watched = plain;
    size_t seen = 0;
    watched.on_logits = [&](int64_t, std::span<const float> logits) { seen += logits.size(); };

    const Response few = engine.run(plain), all = engine.run(watched);

    EXPECT_EQ(few.tokens, all.tokens);
    EXPECT_GE(seen, all.tokens.size() * 512);
  }
}

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

TEST_F(Stories, StopsAtAStopText) {
  Task stopping = task("Once upon a time");
  stopping.max_tokens = 60;
  stopping.stop = {"Lily"};

  const Response response = engine.run(stopping);

  EXPECT_EQ(response.finish_reason, "stop");
  EXPECT_TRUE(response.text.ends_with("girl named ")) << response.text;
}

TEST_F(Stories, EndsWhereTheListenerSaysSo) {
  Task task = this->task("Once upon a time");
  int pieces = 0;
  task.on_text = [&](std::string_view) { return ++pieces < 3; };

  EXPECT_EQ(engine.run(task).finish_reason, "cancelled");
  EXPECT_EQ(pieces, 3);
}

TEST_F(Stories, EndsWithinAPromptThatNobodyWants) {
  Engine slow(model.transformer, tokenizer.get(),
              {.max_blocks = 16, .kv_type = DType::f32, .rows_per_step = 8});
  Task task = this->task(body);
  int passes = 0;
  task.wanted = [&] { return ++passes < 3; };
  task.on_prompt = [](const LayeredView&) { FAIL() << "the prompt was computed"; };

  EXPECT_EQ(slow.run(task).finish_reason, "cancelled");
  EXPECT_EQ(slow.donors().size(), 0);  // some of its rows are missing
  EXPECT_EQ(slow.pool().blocks_in_use(), 0);
}

TEST_F(Stories, ShowsEachTokenOfTheAnswer) {
  std::vector<int32_t> shown;
  Task task = this->task("Once upon a time");
  task.on_token = [&](int32_t token, std::span<const float> logits) {
    EXPECT_EQ(argmax(logits), token);
    shown.push_back(token);
  };

  EXPECT_EQ(engine.run(task).tokens, shown);
}

TEST_F(Stories, ChecksATaskWithoutTakingIt) {
  engine.check(task("x"));

  EXPECT_STREQ(error_of([&] { engine.check({.id = "a"}); }).what(),
               "request 'a': the prompt is empty");
  EXPECT_FALSE(engine.step());
}

TEST_F(Stories, DrawsTheSameWithTheSameSeed) {
  Task drawn = task("Once upon a time");
  drawn.sampling = {.temperature = 1, .seed = 11};
  const std::string once = engine.run(drawn).text;

  EXPECT_EQ(engine.run(drawn).text, once);
  drawn.sampling.seed = 12;
  EXPECT_NE(engine.run(drawn).text, once);
}

TEST_F(Stories, FollowsForcedTokensAndDrawsBehindThem) {
  Task forced = task("Once upon a time");
  forced.max_tokens = 9;
  forced.forced = encode("The dog had a ball");
  ASSERT_LT(forced.forced.size(), 9u);

  const Response response = engine.run(forced);

  ASSERT_EQ(response.tokens.size(), 9u);
  EXPECT_TRUE(std::equal(forced.forced.begin(), forced.forced.end(), response.tokens.begin()));
  Task whole = task("");
  whole.tokens = forced.tokens;
  whole.tokens.insert(whole.tokens.end(), forced.forced.begin(), forced.forced.end());
  whole.max_tokens = 1;
  EXPECT_EQ(engine.run(whole).tokens[0], response.tokens[forced.forced.size()]);
}

TEST_F(Stories, AnEndTokenThatIsForcedEndsNothing) {
  Task forced = task("Once upon a time");
  forced.max_tokens = 3;
  forced.forced = {*tokenizer->eos()};

  EXPECT_EQ(engine.run(forced).tokens.size(), 3u);
}

TEST_F(Stories, ShowsTheLogitsOfEachToken) {
  std::vector<int32_t> drawn;
  Task shown = task("Once upon a time");
  shown.on_logits = [&](int64_t step, std::span<const float> logits) {
    EXPECT_EQ(step, static_cast<int64_t>(drawn.size()));
    ASSERT_EQ(logits.size(), 512u);
    drawn.push_back(argmax(logits));
  };
  const Response free = engine.run(shown);
  ASSERT_EQ(drawn, free.tokens);

  // Along the same tokens the logits are the same.
  drawn.clear();
  shown.forced = free.tokens;
  engine.run(shown);

  EXPECT_EQ(drawn, free.tokens);
}

TEST_F(Stories, StoresNothingWhereToldSo) {
  Task unstored = task(body);
  unstored.store = false;

  engine.run(unstored);

  EXPECT_EQ(engine.donors().size(), 0);
  EXPECT_EQ(engine.pool().blocks_in_use(), 0);
}

TEST_F(Stories, RefusesPromptsItCannotHold) {
  const auto refused = [&](Task task) {
    return std::string(error_of([&] { engine.submit(std::move(task), {}); }).what());
  };
  Task longer = task("x");
  longer.tokens.assign(2049, 5);

  EXPECT_EQ(refused(longer), "request 'a': the prompt has 2049 tokens, the model's context 2048");
  EXPECT_EQ(refused({.id = "a"}), "request 'a': the prompt is empty");
  EXPECT_EQ(refused({.id = "a", .tokens = {600}}),
            "request 'a': token 600 is outside the vocabulary of 512");
  EXPECT_EQ(refused({.id = "a", .tokens = {5}, .forced = {-1}}),
            "request 'a': forced token -1 is outside the vocabulary of 512");
}

}  // namespace
}  // namespace kvs::test
