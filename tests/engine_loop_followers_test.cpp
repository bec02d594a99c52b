#include <atomic>

#include "support/loop_scene.h"

namespace kvs::test {
namespace {

class LoopWithFollowers : public LoopScene {};

TEST_F(LoopWithFollowers, LetsFollowersShareWhatALeaderComputes) {
  EngineLoop loop(engine, {});
  auto channel = std::make_shared<AnswerChannel>(3);
  std::vector<Job> jobs;
  for (int choice = 0; choice < 3; ++choice)
    jobs.push_back({.task = task(body), .channel = channel, .choice = choice});
  jobs[1].task.tenant = "another";
  const auto prompt = static_cast<int64_t>(jobs[0].task.tokens.size());
  loop.submit(std::move(jobs));

  const auto reuse = reuse_of(*channel, 3);
  EXPECT_EQ(reuse[0].exact, 0);
  EXPECT_EQ(reuse[1].exact, 0);  // nothing crosses tenants
  EXPECT_EQ(reuse[2].exact, prompt - 1);
}

TEST_F(LoopWithFollowers, LetsNobodyWaitWhereThereAreNoFollowers) {
  EngineLoop loop(engine, {.followers = false});
  auto channel = std::make_shared<AnswerChannel>(2);
  std::vector<Job> jobs;
  for (int choice = 0; choice < 2; ++choice)
    jobs.push_back({.task = task(body), .channel = channel, .choice = choice});
  loop.submit(std::move(jobs));

  for (const ReuseReport& reuse : reuse_of(*channel, 2)) EXPECT_EQ(reuse.exact, 0);
}

TEST_F(LoopWithFollowers, LetsFollowersShareWhatStandsBehindAnotherBeginning) {
  EngineLoop loop(engine, {});
  auto channel = std::make_shared<AnswerChannel>(2);
  std::vector<Job> jobs;
  const std::string text = body + " Lily sat under a tree and ate three cakes with her mom.";
  jobs.push_back({.task = task("Ben: " + text), .channel = channel});
  jobs.push_back({.task = task("Sue and Ann: " + text), .channel = channel, .choice = 1});
  loop.submit(std::move(jobs));

  const auto reuse = reuse_of(*channel, 2);
  EXPECT_EQ(reuse[0].shifted, 0);
  EXPECT_GT(reuse[1].shifted, 32);
}

// The leader's own end is longer than all the rest.
TEST_F(LoopWithFollowers, LetsFollowersGoWhereTheBeginningOfBothIsComputed) {
  Engine slow(model.transformer, tokenizer.get(),
              {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 16, .parallel = 2});
  const std::string end = " Lily sat under a tree and ate three cakes with her mom.";
  const int64_t shared = std::ssize(tokenizer->encode(body)) - 1;
  auto channel = std::make_shared<AnswerChannel>(2);
  std::atomic<bool> waited{false};
  EngineLoop loop(slow, {.on_begin = [&](const Job& job) {
                    if (job.choice == 1) waited = channel->first_at().has_value();
                  }});
  std::vector<Job> jobs;
  jobs.push_back({.task = task(body + end + end + end + end), .channel = channel});
  jobs.push_back({.task = task(body + " Ben."), .channel = channel, .choice = 1});
  loop.submit(std::move(jobs));

  const auto reuse = reuse_of(*channel, 2);
  EXPECT_EQ(reuse[0].exact, 0);
  EXPECT_GE(reuse[1].exact, shared);
  EXPECT_FALSE(waited);
}

// What it takes of others serves nobody else, and its followers find it where it did.
TEST_F(LoopWithFollowers, LetsNobodyWaitForALeaderThatGoesOverMovedRows) {
  const std::string text = body + " Lily sat under a tree and ate three cakes with her mom.";
  Engine slow(model.transformer, tokenizer.get(),
              {.max_blocks = 64, .kv_type = DType::f32, .rows_per_step = 2, .parallel = 2});
  slow.run(task("Ben: " + text));
  auto channel = std::make_shared<AnswerChannel>(2);
  std::atomic<bool> waited{false};
  EngineLoop loop(slow, {.on_begin = [&](const Job& job) {
                    if (job.choice == 1) waited = channel->first_at().has_value();
                  }});
  std::vector<Job> jobs;
  jobs.push_back({.task = task("Sue and Ann and their mom: " + text), .channel = channel});
  jobs.push_back({.task = task("Tim, who was old: " + text), .channel = channel, .choice = 1});
  loop.submit(std::move(jobs));

  for (const ReuseReport& reuse : reuse_of(*channel, 2)) EXPECT_GT(reuse.shifted, 30);
  EXPECT_FALSE(waited);
}

// Each longer one begins as the one before it: the second waits for the first, but not for ever.
TEST_F(LoopWithFollowers, WaitsForOneLeaderOnly) {
  EngineLoop loop(engine, {});
  auto channel = std::make_shared<AnswerChannel>(6);
  std::vector<Job> jobs;
  std::string text = body;
  for (int job = 0; job < 6; ++job, text += body)
    jobs.push_back({.task = task(text, 4), .channel = channel, .choice = job});
  ASSERT_TRUE(loop.submit(std::move(jobs)));

  int64_t exact = 0;
  while (!channel->finished())
    for (const AnswerPiece& piece : channel->take(std::chrono::milliseconds(1000)))
      if (piece.end) exact += piece.end->reuse.exact;

  EXPECT_GT(exact, std::ssize(tokenizer->encode(body)));
}

}  // namespace
}  // namespace kvs::test
