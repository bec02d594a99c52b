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

TEST_F(Stories, TellsHowMuchOfAPromptIsComputed) {
  Engine slow(model.transformer, tokenizer.get(),
              {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 16});
  slow.run(task(body));
  Task longer = task(body + body);
  longer.reuse.mode = ReuseMode::exact;
  const int64_t all = std::ssize(longer.tokens), kept = std::ssize(task(body).tokens);
  std::vector<int64_t> computed;
  longer.on_rows = [&](const LayeredView& view, int64_t rows) {
    EXPECT_EQ(view.size(), all);
    computed.push_back(rows);
  };
  longer.on_prompt = [&](const LayeredView&) { computed.push_back(all); };

  const Response response = slow.run(longer);

  ASSERT_GE(response.reuse.exact, kept - 1);
  std::vector<int64_t> expected;
  for (int64_t rows = response.reuse.exact + 16; rows < all; rows += 16) expected.push_back(rows);
  expected.push_back(all);
  EXPECT_EQ(computed, expected);
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
