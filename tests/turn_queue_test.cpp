#include "serve/turn_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "serve/refusal.h"

namespace kvs::test {
namespace {

bool always() {
  return true;
}

TEST(TurnQueue, LetsOneAtATime) {
  TurnQueue queue(8);
  std::atomic<int> inside = 0, most = 0, turns = 0;
  const auto work = [&] {
    TurnQueue::Place place(queue);
    for (int turn = 0; turn < 50; ++turn) {
      ASSERT_TRUE(place.wait(always));
      most = std::max<int>(most, ++inside);
      ++turns;
      --inside;
      place.pass();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(most, 1);
  EXPECT_EQ(turns, 400);
}

TEST(TurnQueue, TakesTurnsInTheirOrder) {
  TurnQueue queue(1);
  std::string order;
  TurnQueue::Place first(queue);
  ASSERT_TRUE(first.wait(always));
  std::atomic<bool> asked = false;
  std::thread second([&] {
    TurnQueue::Place place(queue);
    place.wait([&] { return asked = true; });
    order += "b";
  });
  while (!asked) std::this_thread::yield();
  order += "a";
  first.pass();
  first.wait(always);
  order += "a";
  first.pass();
  second.join();

  EXPECT_EQ(order, "aba");
}

TEST(TurnQueue, RefusesWhoeverComesWhereItIsFull) {
  TurnQueue queue(1);
  const TurnQueue::Place first(queue);
  {
    const TurnQueue::Place second(queue);
    EXPECT_THROW(TurnQueue::Place{queue}, Refusal);
  }

  EXPECT_NO_THROW(TurnQueue::Place{queue});
}

TEST(TurnQueue, IsLeftByWhoeverWantsNothingAnyMore) {
  TurnQueue queue(2);
  TurnQueue::Place first(queue), third(queue);
  first.wait(always);
  {
    TurnQueue::Place second(queue);
    EXPECT_FALSE(second.wait([] { return false; }));
  }
  first.pass();

  EXPECT_TRUE(third.wait(always));
}

}  // namespace
}  // namespace kvs::test
