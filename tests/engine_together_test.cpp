#include <gtest/gtest.h>

#include <map>

#include "support/stories.h"

// Tasks that are worked on at the same time.
namespace kvs::test {
namespace {

class Together : public Stories {
 protected:
  /// Over what `body` stored, with most of its rows computed in several passes.
  Task measured_task() {
    Task measured = task("Sue and Ann sat in the garden, and their mom said: " + body, "measured");
    measured.reuse = {.policy = Policy::kvshare, .budget = 0.9};
    measured.store = false;
    return measured;
  }
};

TEST_F(Together, AnswersTheSameAloneAndInABatch) {
  const char* prompts[] = {"One day, Tom found a box", "Lily and her mom went to", "The dog"};
  std::vector<std::string> alone;
  for (const char* prompt : prompts) {
    Engine fresh(model.transformer, tokenizer.get(), {.max_blocks = 16, .kv_type = DType::f32});
    alone.push_back(fresh.run(task(prompt)).text);
  }
  Engine batched(model.transformer, tokenizer.get(),
                 {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 5, .parallel = 3});
  std::vector<std::string> together(3);
  for (size_t i = 0; i < 3; ++i)
    batched.submit(task(prompts[i]), [&, i](Response response) { together[i] = response.text; });
  while (batched.step()) {
  }

  EXPECT_EQ(together, alone);
}

// Rows serve other tokens of their tenant, and are counted apart.
TEST_F(Together, OthersGoOnWhileAPromptIsMeasured) {
  Engine shared(model.transformer, tokenizer.get(),
                {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 16, .parallel = 2});
  shared.run(task(body, "donor"));
  Task measured = measured_task();
  const Response alone = shared.run(measured);
  ASSERT_GT(alone.reuse.shifted, 0);

  Task steady = task("Ben", "steady");
  steady.max_tokens = 100;
  int tokens = 0;
  steady.on_token = [&](int32_t, auto) { ++tokens; };
  bool begun = false;
  measured.on_token = [&](int32_t, auto) { begun = true; };
  Response of_measured;
  shared.submit(steady, [](const Response&) {});
  for (int i = 0; i < 4; ++i) shared.step();
  shared.submit(measured, [&](Response response) { of_measured = std::move(response); });
  const int before = tokens;
  while (!begun) shared.step();

  // One between any two chunks: no answer waits for more than that.
  const double chunks =
      alone.reuse.computed_share * static_cast<double>(measured.tokens.size()) / 16;
  EXPECT_GT(chunks, 4);
  EXPECT_GE(tokens, before + static_cast<int>(chunks) - 1);
  while (shared.step()) {
  }
  EXPECT_EQ(of_measured.tokens, alone.tokens);
  EXPECT_EQ(tokens, 100);
}

TEST_F(Together, AShortPromptIsAnsweredWhileALongOneIsMeasured) {
  Engine shared(model.transformer, tokenizer.get(),
                {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 8, .parallel = 4});
  shared.run(task(body, "donor"));
  Task measured = measured_task();
  Task twin = measured, brief = task("Ben", "brief");
  twin.id = "twin";
  brief.max_tokens = 2;
  const Response alone = shared.run(measured);
  std::vector<std::string> ended;
  std::map<std::string, Response> responses;
  const auto submit = [&](const Task& asked) {
    shared.submit(asked, [&](Response response) {
      ended.push_back(response.id);
      responses[response.id] = std::move(response);
    });
  };
  submit(measured);
  shared.step();
  submit(twin);  // waits for its turn to be measured, and keeps nobody else waiting
  submit(brief);
  while (shared.step()) {
  }

  EXPECT_EQ(ended, (std::vector<std::string>{"brief", "measured", "twin"}));
  EXPECT_EQ(responses.at("measured").tokens, alone.tokens);
  EXPECT_EQ(responses.at("twin").tokens, alone.tokens);
  EXPECT_EQ(responses.at("twin").reuse.shifted, alone.reuse.shifted);
}

TEST_F(Together, AnAnswerPausesWhileItsReaderDoesNotKeepUp) {
  const Response alone = engine.run(task("Ben", "slow"));
  Task slow = task("Ben", "slow"), other = task("Lily and her mom", "other");
  int tokens = 0;
  bool reads = false;
  slow.store = false;
  slow.on_token = [&](int32_t, auto) { ++tokens; };
  slow.keeps_up = [&] { return reads || tokens < 3; };
  std::map<std::string, Response> responses;
  Engine shared(model.transformer, tokenizer.get(),
                {.max_blocks = 16, .kv_type = DType::f32, .parallel = 2});
  for (const Task& one : {slow, other})
    shared.submit(one, [&](Response response) { responses[response.id] = std::move(response); });

  while (!responses.contains("other")) shared.step();
  for (int i = 0; i < 3; ++i) shared.step();
  EXPECT_EQ(tokens, 3);

  reads = true;
  while (shared.step()) {
  }
  EXPECT_EQ(responses.at("slow").tokens, alone.tokens);
}

TEST_F(Together, AnEngineMayGoWhileAPromptIsMeasured) {
  Engine shared(model.transformer, tokenizer.get(),
                {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 8});
  shared.run(task(body, "donor"));
  Task measured = measured_task();
  bool ended = false;
  shared.submit(measured, [&](const Response&) { ended = true; });

  EXPECT_TRUE(shared.step());
  EXPECT_FALSE(ended);
}

// The server goes, or the client has left.
TEST_F(Together, AMeasuredPromptEndsBetweenItsPassesWhereNobodyWantsIt) {
  Engine shared(model.transformer, tokenizer.get(),
                {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 16});
  shared.run(task(body, "donor"));
  Task measured = measured_task();
  int asked = 0, most = 1'000;
  measured.wanted = [&] { return ++asked < most; };
  EXPECT_EQ(shared.run(measured).finish_reason, "length");
  ASSERT_GT(asked, 6);
  shared.donors().forget([](const KeptDonor& donor) { return donor.id == "measured"; });
  const int64_t blocks = shared.pool().blocks_in_use();

  asked = 0;
  most = 4;
  const Response response = shared.run(measured);

  EXPECT_EQ(response.finish_reason, "cancelled");
  EXPECT_EQ(asked, most);
  EXPECT_TRUE(response.tokens.empty());
  EXPECT_EQ(shared.pool().blocks_in_use(), blocks);
  measured.wanted = {};
  EXPECT_EQ(shared.run(measured).finish_reason, "length");
}

TEST_F(Together, AShortPromptDoesNotWaitForALongOne) {
  constexpr int kRows = 16;
  Engine shared(model.transformer, tokenizer.get(),
                {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = kRows, .parallel = 2});
  const Task longer = task(body + body + body + body, "long"), shorter = task("Ben", "short");
  std::map<std::string, std::vector<int32_t>> alone, together;
  for (const Task& one : {longer, shorter}) {
    Engine fresh(model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32});
    alone[one.id] = fresh.run(one).tokens;
  }
  std::vector<std::string> computed;
  for (Task one : {longer, shorter}) {
    one.on_prompt = [&, id = one.id](const LayeredView&) { computed.push_back(id); };
    shared.submit(one, [&](Response response) { together[response.id] = response.tokens; });
  }
  shared.step();
  EXPECT_EQ(computed, std::vector<std::string>{"short"});
  while (shared.step()) {
  }

  EXPECT_EQ(computed, (std::vector<std::string>{"short", "long"}));
  EXPECT_EQ(together, alone);
}

// Others that come all the time cost it half of the rows.
TEST_F(Together, ALongPromptDoesNotWaitForShortOnesForEver) {
  constexpr int kRows = 32;
  Engine shared(model.transformer, tokenizer.get(),
                {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = kRows, .parallel = 8});
  Task longer = task(body + body + body + body, "long");
  bool computed = false;
  longer.on_prompt = [&](const LayeredView&) { computed = true; };
  shared.submit(longer, [](const Response&) {});
  int steps = 0;
  for (; !computed; ++steps) {
    for (int more = 0; more < 4; ++more) {
      Task shorter = task(std::to_string(steps) + body, "short");
      shorter.max_tokens = 0;
      shorter.reuse.mode = ReuseMode::off;
      shared.submit(shorter, [](const Response&) {});
    }
    shared.step();
  }

  EXPECT_LE(steps, 2 * std::ssize(longer.tokens) / kRows + 1);
}

// Each answer ends in its third block, and there are five.
TEST_F(Together, NewerTasksMakeWayAndGoOnAsIfNothingHadHappened) {
  std::vector<Task> tasks;
  for (const char* name : {"Tim", "Sue", "Ben"}) {
    Task more = task(std::string(name) + " had a red car.", name);
    more.max_tokens = 150;
    more.sampling = {.temperature = 0.8F, .seed = 7};
    tasks.push_back(std::move(more));
  }
  std::vector<Response> alone;
  for (const Task& one : tasks) alone.push_back(engine.run(one));

  Engine narrow(model.transformer, tokenizer.get(),
                {.max_blocks = 5, .kv_type = DType::f32, .parallel = 3});
  std::map<std::string, std::string> text;  // as it was streamed
  std::map<std::string, Response> responses;
  int prompts = 0;
  for (Task one : tasks) {
    one.on_text = [&, id = one.id](std::string_view piece) {
      text[id] += piece;
      return true;
    };
    one.on_prompt = [&](const LayeredView&) { ++prompts; };
    narrow.submit(one, [&](Response response) { responses[response.id] = std::move(response); });
  }
  while (narrow.step()) {
  }

  EXPECT_GT(narrow.preemptions(), 0);
  EXPECT_EQ(engine.preemptions(), 0);
  EXPECT_EQ(prompts, 3);
  for (const Response& expected : alone) {
    const Response& response = responses[expected.id];
    EXPECT_EQ(response.error, "");
    EXPECT_EQ(response.tokens, expected.tokens);
    EXPECT_EQ(text[expected.id], expected.text);
  }
}

// What is pinned gives no room: who made way waits until the others are done.
TEST_F(Together, TasksThatMadeWayWaitBesideWhatIsPinned) {
  Engine narrow(model.transformer, tokenizer.get(),
                {.max_blocks = 10, .kv_type = DType::f32, .parallel = 3});
  Task pinned = task(body + body, "pinned");
  pinned.max_tokens = 0;
  narrow.run(pinned);
  ASSERT_TRUE(narrow.donors().pin("", "pinned"));
  std::map<std::string, std::string> reasons;
  for (const char* name : {"Tim", "Sue", "Ben"}) {
    Task more = task(std::string(name) + " had a red car.", name);
    more.max_tokens = 180;
    narrow.submit(more, [&](const Response& response) {
      reasons[response.id] = response.finish_reason + response.error;
    });
  }
  while (narrow.step()) {
  }

  EXPECT_GT(narrow.preemptions(), 0);
  for (const auto& [name, reason] : reasons) EXPECT_EQ(reason, "length") << name;
  EXPECT_EQ(reasons.size(), 3u);
}

TEST_F(Together, ATaskThatMadeWayCanBeCancelled) {
  Engine narrow(model.transformer, tokenizer.get(),
                {.max_blocks = 5, .kv_type = DType::f32, .parallel = 2});
  Task first = task("Tim had a red car.", "first"), second = task("Sue had a ball.", "second");
  first.max_tokens = second.max_tokens = 200;
  second.wanted = [&] { return narrow.preemptions() == 0; };
  std::vector<std::string> reasons;
  for (const Task& one : {first, second})
    narrow.submit(one, [&](const Response& response) {
      reasons.push_back(response.id + " " + response.finish_reason + response.error);
    });
  while (narrow.step()) {
  }

  EXPECT_EQ(reasons, (std::vector<std::string>{"second cancelled", "first length"}));
}

TEST_F(Together, TasksWaitForRoomForTheirPrompts) {
  Engine narrow(model.transformer, tokenizer.get(),
                {.max_blocks = 6, .kv_type = DType::f32, .parallel = 4});
  int answered = 0;
  for (int i = 0; i < 6; ++i)
    narrow.submit(task(std::to_string(i) + body + body), [&](const Response& response) {
      answered += response.finish_reason == "length";
    });
  while (narrow.step()) {
  }

  EXPECT_EQ(answered, 6);
}

}  // namespace
}  // namespace kvs::test
