#include "serve/engine_loop.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <thread>

#include "serve/tenants.h"
#include "support/loop_scene.h"

namespace kvs::test {
namespace {

using std::chrono::milliseconds;

class Loop : public LoopScene {};

TEST_F(Loop, StreamsWhatTheEngineAnswers) {
  const std::string expected = engine.run(task(body)).text;
  EngineLoop loop(engine, {});

  std::string text;
  const Response response = wait(*submit(loop, task(body)), &text);

  EXPECT_EQ(response.finish_reason, "length");
  EXPECT_EQ(response.text, expected);
  EXPECT_EQ(text, expected);
}

TEST_F(Loop, AnswersManyTogether) {
  EngineLoop loop(engine, {});
  std::vector<std::shared_ptr<AnswerChannel>> channels;
  for (int i = 0; i < 32; ++i) channels.push_back(submit(loop, task(body + std::to_string(i))));

  for (const auto& channel : channels) EXPECT_EQ(wait(*channel).finish_reason, "length");
}

TEST_F(Loop, RefusesWhatTheQueueCannotHold) {
  EngineLoop loop(engine, {.max_waiting = 2});
  std::vector<Job> jobs;
  auto channel = std::make_shared<AnswerChannel>(40);
  for (int choice = 0; choice < 40; ++choice)
    jobs.push_back({.task = task(body, 2000), .channel = channel, .choice = choice});
  ASSERT_TRUE(loop.submit(std::move(jobs)));  // an empty queue takes any answer

  std::vector<Job> more;
  more.push_back({.task = task(body), .channel = channel});
  EXPECT_FALSE(loop.submit(std::move(more)));

  channel->abandon();
}

TEST_F(Loop, TakesNothingWhereItHasStopped) {
  EngineLoop loop(engine, {});
  EXPECT_FALSE(loop.stopped());

  loop.stop({});

  std::vector<Job> jobs;
  jobs.push_back({.task = task(body), .channel = std::make_shared<AnswerChannel>(1)});
  EXPECT_FALSE(loop.submit(std::move(jobs)));
  EXPECT_TRUE(loop.stopped());
}

TEST_F(Loop, TellsOfEveryEnd) {
  std::vector<std::string> reasons;
  {
    EngineLoop loop(engine, {.on_end = [&](const Job&, const Response& response) {
                      reasons.push_back(response.finish_reason);
                    }});
    wait(*submit(loop, task(body)));
    submit(loop, task(body, 1900))->abandon();
  }

  EXPECT_EQ(reasons, (std::vector<std::string>{"length", "cancelled"}));
}

// The first job that begins keeps the loop, so that the others wait.
TEST_F(Loop, LeavesEveryTenantItsShareOfAFullQueue) {
  std::promise<void> go;
  EngineLoop loop(engine,
                  {.max_waiting = 8,
                   .on_begin = [gone = go.get_future().share()](const Job&) { gone.wait(); }});
  const auto takes = [&](const std::string& tenant, int jobs) {
    auto channel = std::make_shared<AnswerChannel>(jobs);
    channel->abandon();
    std::vector<Job> all;
    for (int choice = 0; choice < jobs; ++choice)
      all.push_back({.task = task(body), .channel = channel, .tenant = tenant, .choice = choice});
    return loop.submit(std::move(all));
  };
  {
    auto channel = std::make_shared<AnswerChannel>(1);  // is begun
    std::vector<Job> first;
    first.push_back({.task = task(body), .channel = channel, .tenant = "greedy"});
    EXPECT_TRUE(loop.submit(std::move(first)));
  }
  EXPECT_TRUE(takes("greedy", 7));
  EXPECT_FALSE(takes("greedy", 1));

  EXPECT_FALSE(takes("modest", 5));
  EXPECT_TRUE(takes("modest", 3));
  EXPECT_TRUE(takes("modest", 1));
  EXPECT_FALSE(takes("modest", 1));
  EXPECT_TRUE(takes("third", 2));
  EXPECT_FALSE(takes("third", 1));
  go.set_value();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (loop.state().waiting > 0 && std::chrono::steady_clock::now() < patience)
    std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(loop.state().waiting, 0);
  EXPECT_TRUE(takes("greedy", 8));
}

// Within the pass over its prompt, which is its last one.
TEST_F(Loop, CountsAJobAsActiveFromItsFirstPassOn) {
  LoopState during;
  EngineLoop* running = nullptr;
  EngineLoop loop(engine,
                  {.on_end = [&](const Job&, const Response&) { during = running->state(); }});
  running = &loop;
  wait(*submit(loop, task(body, 1)));
  loop.stop({});

  EXPECT_EQ(during.active, 1);
  EXPECT_EQ(during.waiting, 0);
}

TEST_F(Loop, EndsWhatNobodyReads) {
  EngineLoop loop(engine, {});
  const auto channel = submit(loop, task(body, 1900));

  channel->abandon();

  const Response response = wait(*channel);
  EXPECT_EQ(response.finish_reason, "cancelled");
  EXPECT_LT(response.tokens.size(), 1900u);
}

// One at a time: the first prompt, which the last one repeats, and a long one between them.
class Ordered : public Loop {
 protected:
  std::vector<std::string> order_under(Schedule schedule) {
    Engine one(model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32});
    std::vector<std::string> begun;
    EngineLoop loop(one, {.schedule = schedule,
                          .on_begin = [&](const Job& job) { begun.push_back(job.task.id); }});
    auto channel = std::make_shared<AnswerChannel>(4);
    std::vector<Job> jobs(4);
    const std::string other = " Sue saw a green bird on a tall tree, and it sang to her all day.";
    const std::string texts[] = {body + body + body, other + body, other + other,
                                 body + body + body};
    for (int job = 0; job < 4; ++job) {
      jobs[job] = {.task = task(texts[job], 4), .channel = channel, .choice = job};
      jobs[job].task.id = std::to_string(job);
      jobs[job].tenant = job == 2 ? "another" : "one";
    }
    EXPECT_TRUE(loop.submit(std::move(jobs)));
    while (!channel->finished()) channel->take(milliseconds(1000));
    loop.stop({});
    return begun;
  }
};

TEST_F(Ordered, ByArrival) {
  EXPECT_EQ(order_under(Schedule::fcfs), (std::vector<std::string>{"0", "1", "2", "3"}));
}

TEST_F(Ordered, ByTurnsAndWhatIsLeftToCompute) {
  EXPECT_EQ(order_under(Schedule::work), (std::vector<std::string>{"0", "2", "3", "1"}));
}

// Whoever asks, every row comes from a request of the same tenant and salt, or the same group.
TEST_F(Loop, NoLookUpLeavesItsPartition) {
  const std::vector<Caller> callers{{.tenant = "acme"},
                                    {.tenant = "globex"},
                                    {.tenant = "a", .share_group = "g"},
                                    {.tenant = "b", .share_group = "g"},
                                    {.tenant = "g"},
                                    {}};
  EngineLoop loop(engine, {});
  std::map<std::string, std::string> partition_of;  // by request
  std::vector<std::pair<std::string, std::shared_ptr<AnswerChannel>>> asked;
  for (int number = 0; number < 72; ++number) {
    const Caller& caller = callers[number % callers.size()];
    Task next = task((number % 5 < 2 ? "Sue: " : "Ben and Ann: ") + body, 2);
    const std::string partition = caller.partition(number % 7 < 3 ? "salt" : "");
    next.tenant = partition;
    next.id = caller.tenant + "/" + std::to_string(number);
    partition_of[next.id] = partition;
    asked.emplace_back(partition, submit(loop, std::move(next)));
  }

  int64_t reused = 0;
  for (const auto& [partition, channel] : asked)
    for (const DonorUse& donor : wait(*channel).reuse.donors) {
      EXPECT_EQ(partition_of.at(donor.id), partition);
      reused += donor.tokens;
    }
  EXPECT_GT(reused, 1000);  // or this would show nothing
}

TEST_F(Loop, WorksOnNoMoreThanThePoolHolds) {
  // In the end each takes 5 blocks, so that 16 together would need more than there are.
  Engine wide(model.transformer, tokenizer.get(),
              {.max_blocks = 64, .kv_type = DType::f32, .parallel = 32});
  EngineLoop loop(wide, {});
  std::vector<std::shared_ptr<AnswerChannel>> channels;
  for (int i = 0; i < 16; ++i)
    channels.push_back(submit(loop, task(std::to_string(i) + " " + body, 250)));

  for (const auto& channel : channels) {
    const Response response = wait(*channel);
    EXPECT_NE(response.finish_reason, "error") << response.error;
  }
}

TEST_F(Loop, ReportsLogprobsOfEachToken) {
  EngineLoop loop(engine, {});
  auto channel = std::make_shared<AnswerChannel>(1);
  std::vector<Job> jobs;
  jobs.push_back({.task = task(body), .channel = channel, .top_logprobs = 2});
  loop.submit(std::move(jobs));

  std::vector<Logprobs> tokens;
  std::optional<Response> end;
  while (!end)
    for (AnswerPiece& piece : channel->take(milliseconds(1000))) {
      tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
      end = std::move(piece.end);
    }

  ASSERT_EQ(tokens.size(), end->tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i].chosen.token, end->tokens[i]);
    EXPECT_EQ(tokens[i].top.at(0).token, end->tokens[i]);  // greedy
  }
}

TEST_F(Loop, EndsEverythingWhenItGoes) {
  auto loop = std::make_unique<EngineLoop>(engine, EngineLoop::Options{});
  std::vector<std::shared_ptr<AnswerChannel>> channels;
  for (int i = 0; i < 10; ++i) channels.push_back(submit(*loop, task(body + "x", 1500)));

  loop.reset();

  for (const auto& channel : channels) {
    EXPECT_EQ(wait(*channel).finish_reason, "cancelled");
  }
}

TEST_F(Loop, MakesTextsExactWhenNobodyWaits) {
  const std::string tail =
      " Lily sat under a tree and ate three cakes with her mom, but the rain came down and they "
      "ran home as fast as they could.";
  for (const Exactify when : {Exactify::idle, Exactify::always, Exactify::off}) {
    Engine own(model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32});
    EngineLoop loop(own, {.exactify = when});
    wait(*submit(loop, task("Ben: " + body + body)));
    const Task edited = task("Sue and Ann: " + body + body + tail);
    ASSERT_GT(wait(*submit(loop, edited)).reuse.shifted, 10);

    const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (when != Exactify::off && loop.state().background.texts == 0 &&
           std::chrono::steady_clock::now() < patience)
      std::this_thread::sleep_for(milliseconds(1));
    const ReuseReport again = wait(*submit(loop, edited)).reuse;

    if (when == Exactify::off)
      EXPECT_GT(again.shifted, 10);
    else
      EXPECT_EQ(again.exact, again.prompt_tokens - 1);
  }
}

TEST_F(Loop, SaysWhatItIsDoing) {
  EngineLoop loop(engine, {});
  wait(*submit(loop, task(body)));

  LoopState state = loop.state();
  while (state.active > 0) state = loop.state();

  EXPECT_EQ(state.waiting, 0);
  EXPECT_EQ(state.max_blocks, 64);
  EXPECT_EQ(state.donors, 1);
  EXPECT_EQ(state.failure, "");
}

}  // namespace
}  // namespace kvs::test
