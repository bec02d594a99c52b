#include "serve/turn_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace kvs::test {
namespace {

using Ticket = TurnOrder::Ticket;

// Takes whoever is next until nobody waits.
std::vector<Ticket> all_turns(TurnOrder& order) {
  std::vector<Ticket> turns;
  while (const auto next = order.next()) {
    order.take(*next);
    turns.push_back(*next);
  }
  return turns;
}

TEST(TurnOrder, FirstComeFirstServedAsksNothingElse) {
  TurnOrder order(Schedule::fcfs);
  for (const int64_t work : {900, 20, 500, 16}) order.add(work > 100 ? "a" : "b", work);

  EXPECT_EQ(all_turns(order), (std::vector<Ticket>{1, 2, 3, 4}));
  EXPECT_FALSE(order.next());
}

TEST(TurnOrder, LetsLittleWorkGoFirst) {
  TurnOrder order(Schedule::work);
  order.add("", 1000);  // nothing waits in front of it: it is not passed
  order.add("", 900);   // may be passed by 300
  order.add("", 200);
  order.add("", 100);

  EXPECT_EQ(all_turns(order), (std::vector<Ticket>{1, 4, 3, 2}));
}

TEST(TurnOrder, PassesByNoMoreThanTheBound) {
  TurnOrder order(Schedule::work);
  order.add("", 1000);
  order.add("", 900);
  for (int later = 0; later < 10; ++later) order.add("", 100);

  EXPECT_EQ(all_turns(order), (std::vector<Ticket>{1, 3, 4, 5, 2, 6, 7, 8, 9, 10, 11, 12}));
}

TEST(TurnOrder, CountsEveryJobAsSomeWork) {
  TurnOrder order(Schedule::work);
  order.add("", 1000);
  order.add("", 900);
  for (int later = 0; later < 1000; ++later) order.add("", 0);

  const std::vector<Ticket> turns = all_turns(order);

  EXPECT_EQ(std::find(turns.begin(), turns.end(), 2) - turns.begin(),
            1 + 300 / TurnOrder::kLeastWork);
}

TEST(TurnOrder, FollowsWhatBecomesKnown) {
  TurnOrder order(Schedule::work);
  order.add("", 1000);
  const Ticket big = order.add("", 900), small = order.add("", 900);
  order.expect(small, 40);

  EXPECT_EQ(all_turns(order), (std::vector<Ticket>{1, small, big}));

  const Ticket first = order.add("", 1000), second = order.add("", 900), third = order.add("", 40);
  order.expect(first, 50);  // little waits in front of the second after all

  EXPECT_EQ(all_turns(order), (std::vector<Ticket>{first, second, third}));
}

TEST(TurnOrder, WhatLeavesHadNothingInFront) {
  TurnOrder order(Schedule::work);
  const Ticket first = order.add("", 1000), second = order.add("", 900), third = order.add("", 100);
  order.remove(first);

  EXPECT_EQ(all_turns(order), (std::vector<Ticket>{second, third}));
}

TEST(TurnOrder, PassesOverWhatIsHeld) {
  for (const Schedule schedule : {Schedule::fcfs, Schedule::work}) {
    TurnOrder order(schedule);
    const Ticket held = order.add("", 100), other = order.add("", 500);
    order.hold(held, true);

    EXPECT_EQ(order.next(), other);
    order.take(other);
    EXPECT_FALSE(order.next());
    order.hold(held, false);
    EXPECT_EQ(order.next(), held);
  }
}

TEST(TurnOrder, GivesTenantsTurnsByWork) {
  TurnOrder order(Schedule::work);
  for (int i = 0; i < 20; ++i) order.add("flood", 100);  // 1 to 20
  order.add("a", 100);
  order.add("b", 300);
  order.add("b", 300);
  order.add("a", 100);

  const std::vector<Ticket> turns = all_turns(order);

  // a's two jobs are within the first turns; b's second one waits until the others had as much.
  EXPECT_EQ((std::vector<Ticket>{turns.begin(), turns.begin() + 8}),
            (std::vector<Ticket>{1, 21, 22, 2, 24, 3, 4, 23}));
}

TEST(TurnOrder, SavesUpNoTurns) {
  TurnOrder order(Schedule::work);
  for (int i = 0; i < 50; ++i) order.add("busy", 100);
  for (int i = 0; i < 30; ++i) order.take(*order.next());
  for (int i = 0; i < 50; ++i) order.add("late", 100);

  std::map<bool, int> turns;  // by whether they are late's
  for (int i = 0; i < 20; ++i) {
    const Ticket next = *order.next();
    ++turns[next > 50];
    order.take(next);
  }

  EXPECT_EQ(turns[true], turns[false]);
}

TEST(TurnOrder, CountsWhatWasUsedInTheEnd) {
  TurnOrder order(Schedule::work);
  for (int i = 0; i < 3; ++i) {
    order.add("a", 100);
    order.add("b", 100);
  }
  order.take(*order.next());  // a's first
  order.take(*order.next());  // b's first
  order.correct("a", 250);    // a long answer

  EXPECT_EQ(all_turns(order), (std::vector<Ticket>{4, 6, 3, 5}));
}

// The promise: a job's tenant is given at most 1.3 times the work that waited in front of the job
// when it came, before the job begins. Whatever comes, however long the line is.
TEST(TurnOrder, BoundsEveryWait) {
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    struct Seen {
      int tenant;
      int64_t work, ahead, begun = 0;
    };
    TurnOrder order(Schedule::work);
    std::map<Ticket, Seen> waiting;
    std::vector<int64_t> line(2);  // work that waits, by tenant
    int passed = 0;
    for (int event = 0; event < 2000; ++event) {
      if (random() % 100 < 52) {
        const int tenant = random() % 3 == 0;
        const int64_t work = random() % 4 == 0 ? 1000 + random() % 500 : 16 + random() % 60;
        waiting[order.add(tenant ? "b" : "a", work)] = {tenant, work, line[tenant]};
        line[tenant] += work;
      } else if (const auto next = order.next()) {
        const Seen begun = waiting.extract(*next).mapped();
        ASSERT_EQ(order.take(*next), begun.work);
        ASSERT_LE(static_cast<double>(begun.begun), 1.3 * static_cast<double>(begun.ahead));
        line[begun.tenant] -= begun.work;
        for (auto& [ticket, seen] : waiting)
          if (seen.tenant == begun.tenant) {
            seen.begun += begun.work;
            passed += ticket < *next;
          }
      }
    }
    EXPECT_GT(passed, 100);  // or it would be first come, first served
  }
}

}  // namespace
}  // namespace kvs::test
