#include "serve/seats.h"

#include <gtest/gtest.h>

#include <vector>

namespace kvs::test {
namespace {

// How many more seats the tenant gets; they are kept in `taken`.
int fill(Seats& seats, const std::string& tenant,
         std::vector<std::unique_ptr<Seats::Seat>>& taken) {
  int count = 0;
  for (auto seat = seats.find(tenant); seat; seat = seats.find(tenant), ++count)
    taken.push_back(std::move(seat));
  return count;
}

TEST(Seats, AreLeftFreeByWhoeverTakesAllItMay) {
  Seats seats(16);
  std::vector<std::unique_ptr<Seats::Seat>> taken;

  EXPECT_EQ(fill(seats, "a", taken), 8);
  EXPECT_EQ(fill(seats, "b", taken), 4);
  EXPECT_EQ(fill(seats, "c", taken), 2);
  EXPECT_EQ(fill(seats, "a", taken), 0);
  EXPECT_EQ(fill(seats, "d", taken), 1);
}

TEST(Seats, AreSharedEquallyInTheLongRun) {
  Seats seats(9);
  std::vector<std::unique_ptr<Seats::Seat>> of_a, of_b;
  EXPECT_EQ(fill(seats, "a", of_a), 5);

  for (int request = 0; request < 9; ++request) {
    fill(seats, "b", of_b);
    of_a.pop_back();
    fill(seats, "a", of_a);
  }

  EXPECT_EQ(of_a.size(), 3u);
  EXPECT_EQ(of_b.size(), 3u);
}

TEST(Seats, AreThereForOneWhereThereIsOne) {
  Seats seats(1);
  {
    const auto seat = seats.find("");
    EXPECT_TRUE(seat);
    EXPECT_FALSE(seats.find(""));
    EXPECT_FALSE(seats.find("b"));
  }

  EXPECT_TRUE(seats.find("b"));
}

}  // namespace
}  // namespace kvs::test
