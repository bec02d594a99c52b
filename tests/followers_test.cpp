#include "serve/followers.h"

#include <gtest/gtest.h>

#include <numeric>

namespace kvs::test {
namespace {

std::vector<int32_t> text(int32_t first, int64_t count) {
  std::vector<int32_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

std::vector<int32_t> joined(std::initializer_list<std::vector<int32_t>> parts) {
  std::vector<int32_t> all;
  for (const std::vector<int32_t>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

class Followers : public testing::Test {
 protected:
  static Task task(std::vector<int32_t> tokens, Policy policy = Policy::kvshare) {
    return {.tokens = std::move(tokens), .reuse = {.policy = policy}};
  }

  int64_t rows(const Task& leader, const Task& follower) {
    FingerprintIndex index;
    index.add(0, leader.tokens);
    return rows_to_wait_for({leader, index}, follower, looks);
  }

  int looks = 10;
  const std::vector<int32_t> document = text(1000, 300);
};

TEST_F(Followers, WaitForTheBeginningThatBothHave) {
  const Task leader = task(joined({document, text(5000, 400)}));

  EXPECT_EQ(rows(leader, task(joined({document, text(7000, 50)}))), 300);
  EXPECT_EQ(rows(leader, task(joined({document, text(7000, 50)}), Policy::prefix)), 300);
  EXPECT_EQ(rows(leader, task(document)), 300);
}

TEST_F(Followers, WaitForAllWhereMoreStandsElsewhere) {
  const std::vector<int32_t> more = text(3000, 300);
  const Task leader = task(joined({document, text(5000, 20), more}));
  const std::vector<int32_t> edited = joined({document, text(7000, 30), more});

  EXPECT_EQ(rows(leader, task(edited)), 620);
  EXPECT_EQ(rows(leader, task(edited, Policy::prefix)), 0);  // less than half of it
  EXPECT_EQ(rows(leader, task(joined({text(7000, 30), document}))), 620);
}

TEST_F(Followers, DoNotWaitForLittle) {
  const Task leader = task(joined({document, text(5000, 400)}));

  EXPECT_EQ(rows(leader, task(joined({document, text(7000, 301)}))), 0);
  EXPECT_EQ(rows(leader, task(text(1000, 31))), 0);
  EXPECT_EQ(rows(leader, task(text(7000, 300))), 0);
}

TEST_F(Followers, DoNotWaitForWhatTheyMayNotHave) {
  const Task leader = task(document);
  Task stranger = task(document), full = task(document, Policy::full), off = task(document);
  stranger.tenant = "another";
  off.reuse.mode = ReuseMode::off;
  Task keeper = leader;
  keeper.store = false;

  EXPECT_EQ(rows(leader, task(document)), 300);
  EXPECT_EQ(rows(leader, stranger), 0);
  EXPECT_EQ(rows(leader, full), 0);
  EXPECT_EQ(rows(leader, off), 0);
  EXPECT_EQ(rows(keeper, task(document)), 0);
}

TEST_F(Followers, AreLookedAtSoManyTimes) {
  const Task leader = task(document), moved = task(joined({text(7000, 30), document}));
  looks = 1;

  EXPECT_EQ(rows(leader, moved), 300);
  EXPECT_EQ(rows(leader, moved), 0);
  EXPECT_EQ(rows(leader, task(document)), 300);  // which needs no look
}

}  // namespace
}  // namespace kvs::test
