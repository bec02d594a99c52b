#include <gtest/gtest.h>

#include <cmath>

#include "kvs/engine.h"
#include "kvs/gguf.h"
#include "support/kv_rows.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

class Exactify : public testing::Test {
 protected:
  Exactify() {
    run("Ben: " + body, "old");
    edited = task("Sue and Ann: " + body + tail, "edited");
  }

  Task task(const std::string& text, const std::string& id) {
    Task task{.id = id, .tokens = tokenizer->encode(text), .max_tokens = 20, .exactify = true};
    task.reuse.policy = Policy::naive;
    return task;
  }
  Response run(const std::string& text, const std::string& id) {
    return engine.run(task(text, id));
  }
  void exactify() {
    while (engine.exactify_step()) {
    }
  }

  // The rows of a prompt as an engine has them that computes no more than the last one.
  std::vector<float> prompt_rows(Engine& from, Task asked) {
    std::vector<float> rows;
    asked.max_tokens = 0;
    asked.on_prompt = [&](const LayeredView& view) {
      rows = f32_rows(view.top(), from.pool().layout());
    };
    from.run(asked);
    return rows;
  }

  const std::string body =
      "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park. "
      "The dog wanted to play with the ball.";
  const std::string tail =  // nobody has it yet
      " Lily sat under a tree and ate three cakes with her mom, but the rain came down and they "
      "ran home as fast as they could.";
  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  TinyModel model{data_path("stories260K.gguf")};
  const EngineOptions options{.max_blocks = 64, .kv_type = DType::f32};
  Engine engine{model.transformer, tokenizer.get(), options};
  Task edited;
};

TEST_F(Exactify, GivesTheKvOfAColdRun) {
  ASSERT_GT(engine.run(edited).reuse.shifted, 20);

  exactify();

  Engine cold(model.transformer, tokenizer.get(), options);
  const std::vector<float> expected = prompt_rows(cold, edited);
  const std::vector<float> found = prompt_rows(engine, edited);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << i;
}

TEST_F(Exactify, OffersTheRowsToOthersOnlyWhenTheyAreExact) {
  engine.run(edited);
  Task again = task("Sue and Ann: " + body + tail, "again");
  again.exactify = again.store = false;
  const Response before = engine.run(again);
  ASSERT_LT(before.reuse.exact, 16);

  exactify();

  const Response after = engine.run(again);
  EXPECT_EQ(after.reuse.exact, after.reuse.prompt_tokens - 1);
  EXPECT_EQ(after.reuse.donors.at(0).id, "edited");
}

TEST_F(Exactify, CountsTheRowsFromTheFirstApproximateOneOn) {
  int64_t exact = 0;
  edited.on_prompt = [&](const LayeredView& view) { exact = view.top().exact_rows(); };
  const Response response = engine.run(edited);

  exactify();

  // Prompt and answer, of which the last token has no row.
  const auto rows = response.reuse.prompt_tokens + static_cast<int64_t>(response.tokens.size()) - 1;
  EXPECT_EQ(engine.background().texts, 1);
  EXPECT_EQ(engine.background().rows, rows - exact);
  EXPECT_GT(engine.background().ms, 0);
}

TEST_F(Exactify, PassesOverTextThatDonorsHaveAlready) {
  Task known = task("Sue and Ann: " + body, "known");
  known.max_tokens = 0;
  ASSERT_GT(engine.run(known).reuse.shifted, 20);

  EXPECT_FALSE(engine.exactify_step());

  EXPECT_EQ(engine.background().rows, 0);
}

TEST_F(Exactify, ComputesTheSameTextOnce) {
  engine.run(edited);
  engine.exactify({.id = "twin", .tokens = edited.tokens});

  exactify();

  EXPECT_EQ(engine.background().texts, 1);
}

TEST_F(Exactify, WaitsWhileThereAreTasks) {
  engine.run(edited);
  engine.submit(task("The dog", "next"), [](const Response&) {});

  EXPECT_FALSE(engine.exactify_step());
  EXPECT_EQ(engine.background().rows, 0);

  while (engine.step()) {
  }
  exactify();
  EXPECT_EQ(engine.background().texts, 1);
}

TEST_F(Exactify, LetsAConversationGoOnOverExactRows) {
  edited.conversation = "chat";
  engine.run(edited);

  exactify();

  Task next = task("Sue and Ann: " + body + tail + " a big dog", "turn 2");
  next.conversation = "chat";
  const Response response = engine.run(next);
  EXPECT_GT(response.reuse.exact, response.reuse.prompt_tokens - 12);
  EXPECT_EQ(response.reuse.shifted, 0);
}

TEST_F(Exactify, MakesWayForARequestAndGoesOnFromWhereItWas) {
  std::string text;
  while (tokenizer->encode(text).size() < 600) text += "Tim had a red car and a blue ball. ";
  EngineOptions narrow = options;
  narrow.max_blocks = 16;
  Engine small(model.transformer, tokenizer.get(), narrow);
  small.exactify({.id = "long", .tokens = tokenizer->encode(text)});
  ASSERT_TRUE(small.exactify_step());

  Task urgent = task(body + body + body + body, "urgent");
  urgent.store = false;
  EXPECT_EQ(small.run(urgent).finish_reason, "length");
  while (small.exactify_step()) {
  }

  const auto rows = static_cast<int64_t>(tokenizer->encode(text).size());
  EXPECT_EQ(small.background().texts, 1);
  EXPECT_LE(small.background().rows, rows + 1);
}

// What is stored when it makes way takes the place of the very donor that the request goes on from,
// and goes itself where that is not room enough.
TEST_F(Exactify, MakesWayForARequestThatUsesItsDonor) {
  const auto first_tokens = [&](const std::string& text, size_t count) {
    std::vector<int32_t> tokens;
    while (tokens.size() < count)
      for (const int32_t token : tokenizer->encode(text)) tokens.push_back(token);
    tokens.resize(count);
    return tokens;
  };
  const auto behind = [](std::vector<int32_t> tokens, const std::vector<int32_t>& more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
    return tokens;
  };
  EngineOptions narrow = options;
  narrow.max_blocks = 10;
  Engine small(model.transformer, tokenizer.get(), narrow);
  Task donor{.id = "donor", .tokens = first_tokens(body, 300), .max_tokens = 0};
  small.run(donor);
  small.exactify({.id = "longer", .tokens = behind(donor.tokens, first_tokens(tail, 195))});
  ASSERT_TRUE(small.exactify_step());

  Task urgent{.id = "urgent",
              .tokens = behind(donor.tokens, first_tokens("The dog ran. " + tail, 225)),
              .max_tokens = 20,
              .store = false};
  const Response response = small.run(urgent);

  EXPECT_EQ(response.error, "");
  EXPECT_GE(response.reuse.exact, std::ssize(donor.tokens) - 1);
  Engine cold(model.transformer, tokenizer.get(), options);
  EXPECT_EQ(response.tokens, cold.run(urgent).tokens);
}

TEST_F(Exactify, DropsWhatIsForgotten) {
  engine.run(edited);
  engine.exactify({.id = "of another", .tenant = "other", .tokens = edited.tokens});
  engine.forget([](const KeptDonor& donor) { return donor.tenant != "other"; });
  exactify();
  EXPECT_EQ(engine.background().texts, 1);
  EXPECT_EQ(engine.donors().size(), 1);

  engine.exactify({.id = "long", .tokens = std::vector<int32_t>(300, 5)});
  ASSERT_TRUE(engine.exactify_step());  // it is under way
  engine.forget([](const KeptDonor&) { return true; });
  exactify();
  EXPECT_EQ(engine.background().texts, 1);
  EXPECT_EQ(engine.donors().size(), 0);
}

TEST_F(Exactify, PassesOverWhatThePoolCannotHold) {
  EngineOptions narrow = options;
  narrow.max_blocks = 2;
  Engine small(model.transformer, tokenizer.get(), narrow);
  small.exactify({.id = "long", .tokens = std::vector<int32_t>(300, 5)});

  EXPECT_FALSE(small.exactify_step());
  EXPECT_EQ(small.background().rows, 0);
}

}  // namespace
}  // namespace kvs::test
