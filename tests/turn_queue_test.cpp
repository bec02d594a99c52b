#include "serve/turn_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/refusal.h"

namespace kvs::test {
namespace {

bool always() {
  return true;
}

TEST(TurnQueue, LetsOneAtATime) {
  TurnQueue queue(Schedule::work, 8);
  std::atomic<int> inside = 0, most = 0, turns = 0;
  const auto work = [&] {
    TurnQueue::Place place(queue, "a");
    for (int turn = 0; turn < 50; ++turn) {
      ASSERT_TRUE(place.wait(1, always));
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
  TurnQueue queue(Schedule::work, 1);
  std::string order;
  TurnQueue::Place first(queue, "a");
  ASSERT_TRUE(first.wait(1, always));
  std::atomic<bool> asked = false;
  std::thread second([&] {
    TurnQueue::Place place(queue, "a");
    place.wait(1, [&] { return asked = true; });
    order += "b";
  });
  while (!asked) std::this_thread::yield();
  order += "a";
  first.pass();
  first.wait(1, always);
  order += "a";
  first.pass();
  second.join();

  EXPECT_EQ(order, "aba");
}

TEST(TurnQueue, RefusesWhoeverComesWhereItIsFull) {
  TurnQueue queue(Schedule::work, 1);
  const TurnQueue::Place first(queue, "a");
  {
    const TurnQueue::Place second(queue, "a");
    EXPECT_THROW(TurnQueue::Place(queue, "a"), Refusal);
  }

  EXPECT_NO_THROW(TurnQueue::Place(queue, "a"));
}

TEST(TurnQueue, IsLeftByWhoeverWantsNothingAnyMore) {
  TurnQueue queue(Schedule::work, 2);
  TurnQueue::Place first(queue, "a"), third(queue, "a");
  first.wait(1, always);
  {
    TurnQueue::Place second(queue, "a");
    EXPECT_FALSE(second.wait(1, [] { return false; }));
  }
  first.pass();

  EXPECT_TRUE(third.wait(1, always));
}

TEST(TurnQueue, HasRoomForATenantWhereAnotherOneFillsIt) {
  TurnQueue queue(Schedule::work, 1);
  const TurnQueue::Place first(queue, "a"), second(queue, "a");

  const TurnQueue::Place other(queue, "b");

  EXPECT_THROW(TurnQueue::Place(queue, "b"), Refusal);
  EXPECT_THROW(TurnQueue::Place(queue, "a"), Refusal);
}

TEST(TurnQueue, LetsTenantsTakeTurns) {
  TurnQueue queue(Schedule::work, 8);
  std::string order;
  TurnQueue::Place first(queue, "a");
  ASSERT_TRUE(first.wait(1, always));
  std::atomic<int> asked = 0;
  std::vector<std::thread> threads;
  for (const char* tenant : {"a", "a", "b"}) {
    threads.emplace_back([&, tenant] {
      TurnQueue::Place place(queue, tenant);
      bool is_first = true;
      place.wait(1, [&] {
        asked += std::exchange(is_first, false) ? 1 : 0;
        return true;
      });
      order += tenant;
    });
    while (asked < std::ssize(threads)) std::this_thread::yield();
  }
  first.pass();
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(order, "baa");
}

}  // namespace
}  // namespace kvs::test
