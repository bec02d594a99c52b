#include "engine/eviction_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

namespace kvs::test {
namespace {

class Evictions : public testing::Test {
 protected:
  EvictionOrder::Item add(const std::string& owner, double cost, int64_t blocks, double added = 0) {
    const auto item = static_cast<EvictionOrder::Item>(count_++);
    const auto given = order.add(
        {.owner = owner, .cost = cost, .blocks = blocks, .added = added, .drop = [this, item] {
           dropped.push_back(item);
         }});
    EXPECT_EQ(given, item);
    return item;
  }

  EvictionOrder order;
  std::vector<EvictionOrder::Item> dropped;

 private:
  int64_t count_ = 0;
};

using Items = std::vector<EvictionOrder::Item>;

TEST_F(Evictions, GiveUpWhatIsCheapForItsSizeFirst) {
  const auto cheap = add("a", 10, 5), dear = add("a", 100, 5), large = add("a", 30, 10);

  while (order.evict(1)) {
  }

  EXPECT_EQ(dropped, (Items{cheap, large, dear}));
}

TEST_F(Evictions, SpareWhatIsUsedOftenOrAddedLately) {
  const auto often = add("a", 10, 1), seldom = add("a", 10, 1);
  order.use(often);
  ASSERT_TRUE(order.evict(1));
  const auto late = add("a", 5, 1);  // behind a clock of 10: 15, less than 20
  const auto later = add("a", 15, 1);

  while (order.evict(1)) {
  }

  EXPECT_EQ(dropped, (Items{seldom, late, often, later}));
}

TEST_F(Evictions, TakeFromWhoHoldsMost) {
  const auto small = add("small", 1, 3);
  std::vector<EvictionOrder::Item> large;
  for (int item = 0; item < 4; ++item) large.push_back(add("large", 1000, 2));

  for (int step = 0; step < 3; ++step) order.evict(1);
  EXPECT_EQ(dropped, (Items{large[0], large[1], large[2]}));
  order.evict(1);
  EXPECT_EQ(dropped.back(), small);
}

TEST_F(Evictions, SpareWhatALookUpPointsToAndWhatIsPinned) {
  const auto seen = add("a", 1, 1), pinned = add("a", 2, 1), other = add("b", 3, 1);
  order.see(seen, 7);
  order.pin(pinned);

  EXPECT_TRUE(order.evict(7));
  EXPECT_FALSE(order.evict(7));
  EXPECT_EQ(dropped, Items{other});
  EXPECT_EQ(order.pinned_blocks(), 1);
  EXPECT_TRUE(order.evict(8));
  EXPECT_EQ(dropped.back(), seen);
}

TEST_F(Evictions, ExpireWhatIsOldButNotWhatIsPinned) {
  const auto old = add("a", 1, 1, 10), pinned = add("a", 1, 1, 11), young = add("a", 1, 1, 20);
  order.pin(pinned);

  order.expire(20);
  EXPECT_EQ(dropped, Items{old});
  order.expire(21);
  EXPECT_EQ(dropped, (Items{old, young}));
}

// What comes from a tier was added there.
TEST_F(Evictions, ExpireWhatIsOldInWhateverOrderItCame) {
  const auto young = add("a", 1, 1, 30), old = add("a", 1, 1, 10), older = add("b", 1, 1, 5);

  order.expire(20);

  EXPECT_EQ(dropped, (Items{older, old}));
  EXPECT_TRUE(order.evict(1));
  EXPECT_EQ(dropped.back(), young);
  EXPECT_EQ(order.evictions().age, 2);
}

TEST_F(Evictions, KeepAnOwnerWithinItsLimitAtItsOwnCost) {
  order.set_limits({{"a", 6}});
  const auto other = add("b", 1, 50), cheap = add("a", 1, 3), dear = add("a", 9, 3);

  EXPECT_TRUE(order.make_room_for("a", 2, 1));
  EXPECT_EQ(dropped, Items{cheap});
  EXPECT_TRUE(order.make_room_for("a", 3, 1));  // there is room by now
  EXPECT_TRUE(order.make_room_for("b", 100, 1));
  EXPECT_EQ(dropped, Items{cheap});
  EXPECT_EQ(order.evictions().quota, 1);

  EXPECT_TRUE(order.evict(1));
  EXPECT_EQ(dropped, (Items{cheap, other}));
  EXPECT_EQ(order.evictions().room, 1);
  EXPECT_TRUE(order.make_room_for("a", 6, 1));
  EXPECT_EQ(dropped, (Items{cheap, other, dear}));
}

TEST_F(Evictions, DropNothingForWhatDoesNotFitBesideThePinned) {
  order.set_limits({{"a", 6}});
  const auto pinned = add("a", 1, 2), seen = add("a", 1, 2);
  order.pin(pinned);
  order.see(seen, 7);

  EXPECT_FALSE(order.make_room_for("a", 5, 1));
  EXPECT_FALSE(order.make_room_for("a", 4, 7));  // a look-up points to the other one
  EXPECT_TRUE(dropped.empty());
  EXPECT_TRUE(order.make_room_for("a", 4, 8));
  EXPECT_EQ(dropped, Items{seen});
}

TEST_F(Evictions, FollowALimitThatComesDown) {
  const auto first = add("a", 1, 2), second = add("a", 2, 2), pinned = add("a", 3, 2);
  add("b", 1, 2);
  order.pin(pinned);

  order.set_limits({{"a", 4}, {"c", 0}});
  EXPECT_TRUE(dropped.empty());
  order.trim(1);
  EXPECT_EQ(dropped, Items{first});
  order.set_limits({{"a", 1}});
  order.trim(1);
  EXPECT_EQ(dropped, (Items{first, second}));
  order.set_limits({});
  EXPECT_TRUE(order.may_hold("a", 1000));
}

// The rule as it is written down, by looking at everything each time.
struct Naive {
  struct Item {
    int64_t id, blocks, uses, seen, owner;
    double cost, base;  // the clock when it was added or used last
    bool pinned;
    double priority() const {
      return base + static_cast<double>(uses) * cost / static_cast<double>(blocks);
    }
  };
  std::vector<Item> items;
  std::vector<double> clocks = std::vector<double>(4);

  std::optional<int64_t> evict(int64_t lookup) {
    std::vector<int64_t> held(clocks.size());
    for (const Item& item : items) held[item.owner] += item.blocks;
    auto worst = items.end();
    for (auto item = items.begin(); item != items.end(); ++item) {
      if (item->pinned || item->seen >= lookup) continue;
      const auto rank = [&](const Item& of) {
        return std::tuple(-held[of.owner], of.owner, of.priority(), of.id);
      };
      if (worst == items.end() || rank(*item) < rank(*worst)) worst = item;
    }
    if (worst == items.end()) return std::nullopt;
    const int64_t id = worst->id, owner = worst->owner;
    clocks[owner] = std::max(clocks[owner], worst->priority());
    items.erase(worst);
    const auto is_owners = [&](const Item& item) { return item.owner == owner; };
    if (std::none_of(items.begin(), items.end(), is_owners)) clocks[owner] = 0;
    return id;
  }
};

TEST_F(Evictions, AreThoseOfANaiveSimulation) {
  std::mt19937 random(3);
  Naive naive;
  Items expected;
  int64_t lookup = 1;
  for (int step = 0; step < 6000; ++step) {
    const auto draw = [&](int64_t end) { return static_cast<int64_t>(random() % end); };
    const int64_t action = draw(10);
    if (action < 4 || naive.items.empty()) {
      const int64_t owner = draw(4), blocks = 1 + draw(9);
      const auto cost = static_cast<double>(1 + draw(50));
      const auto id = add(std::string(1, static_cast<char>('a' + owner)), cost, blocks);
      naive.items.push_back({id, blocks, 1, 0, owner, cost, naive.clocks[owner], false});
      continue;
    }
    Naive::Item& item = naive.items[draw(std::ssize(naive.items))];
    if (action < 6) {
      order.use(item.id);
      ++item.uses;
      item.base = naive.clocks[item.owner];
    } else if (action == 6) {
      order.see(item.id, ++lookup);
      item.seen = lookup;
    } else if (action == 7 && draw(20) == 0) {
      order.pin(item.id);
      item.pinned = true;
    } else {
      if (const auto id = naive.evict(lookup)) expected.push_back(*id);
      order.evict(lookup);
    }
  }
  ASSERT_GT(expected.size(), 1000u);
  EXPECT_EQ(dropped, expected);
}

}  // namespace
}  // namespace kvs::test
