#include "kvs/kv_view.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "support/errors.h"

namespace kvs::test {
namespace {

class KvViews : public testing::Test {
 protected:
  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvPool pool{*backend, {.layers = 2, .kv_heads = 1, .head_dim = 8}, 16};

  // The home position of every row of a view, in order.
  static std::vector<int64_t> homes(const KvView& view) {
    std::vector<int64_t> all;
    for (const Segment& segment : view.segments())
      for (int32_t row = 0; row < segment.count; ++row) all.push_back(segment.home + row);
    return all;
  }
};

TEST_F(KvViews, StartsEmpty) {
  const KvView view;

  EXPECT_EQ(view.size(), 0);
  EXPECT_EQ(view.exact_rows(), 0);
  EXPECT_TRUE(view.runs(0).runs.empty());
}

TEST_F(KvViews, FillsBlocksBeforeItTakesNewOnes) {
  KvView view;
  view.append_fresh(pool, 60, true);
  view.append_fresh(pool, 10, true);

  EXPECT_EQ(view.size(), 70);
  EXPECT_EQ(pool.blocks_in_use(), 2);
  ASSERT_EQ(view.segments().size(), 2u);
  EXPECT_EQ(view.segments()[0].count, 64);
  EXPECT_EQ(view.segments()[1].home, 64);
}

TEST_F(KvViews, SharesTheBlocksOfADonor) {
  KvView donor, view;
  donor.append_fresh(pool, 200, true);

  view.append_fresh(pool, 3, true);
  view.append_shared(donor, 10, 150, false);

  EXPECT_EQ(pool.blocks_in_use(), 4 + 1);  // the donor's and one for the three fresh rows
  EXPECT_EQ(view.size(), 153);
  EXPECT_EQ(view.exact_rows(), 3);
  EXPECT_EQ(view.slot(3).block, donor.slot(10).block);
  EXPECT_EQ(view.slot(3).row, 10);
  for (const KvRun& run : view.runs(153).runs)
    EXPECT_EQ(run.shift, run.position < 3 ? 0 : -7) << run.position;
}

TEST_F(KvViews, KeepsHomesThroughASecondEdit) {
  KvView donor, once, twice;
  donor.append_fresh(pool, 100, true);
  once.append_fresh(pool, 5, true);
  once.append_shared(donor, 20, 60, false);

  twice.append_shared(once, 10, 30, false);

  EXPECT_EQ(homes(twice).front(), 25);
  EXPECT_EQ(twice.runs(30).runs.front().shift, -25);
}

TEST_F(KvViews, ReplacesRowsInTheMiddle) {
  KvView view;
  view.append_fresh(pool, 100, true);
  const auto before = view.slot(9).block;

  view.replace_by_fresh(pool, 10, 4, false);

  EXPECT_EQ(view.size(), 100);
  EXPECT_EQ(view.exact_rows(), 10);
  EXPECT_EQ(view.slot(9).block, before);
  EXPECT_EQ(view.slot(10).row, 100 - 64);  // behind the last row of the second block
  const auto all = homes(view);
  for (int64_t position = 0; position < 100; ++position) EXPECT_EQ(all[position], position);
}

TEST_F(KvViews, GivesBlocksBackWithTheLastView) {
  {
    KvView donor, view;
    donor.append_fresh(pool, 64, true);
    view.append_shared(donor, 0, 64, true);
    donor = KvView();
    EXPECT_EQ(pool.blocks_in_use(), 1);
  }
  EXPECT_EQ(pool.blocks_in_use(), 0);
}

TEST_F(KvViews, ZeroesABlockThatIsGivenBack) {
  KvView view;
  view.append_fresh(pool, 1, true);
  auto* data = static_cast<unsigned char*>(view.slot(0).block);
  data[5] = 7;

  view = KvView();
  view.append_fresh(pool, 1, true);

  EXPECT_EQ(static_cast<unsigned char*>(view.slot(0).block), data);
  EXPECT_EQ(data[5], 0);
}

TEST_F(KvViews, LeaveTheViewAloneWhereThePoolIsFull) {
  KvView view;
  view.append_fresh(pool, 15 * 64, true);

  const Error e = error_of([&] { view.append_fresh(pool, 65, true); });

  EXPECT_EQ(e.kind(), ErrorKind::memory);
  EXPECT_STREQ(e.what(), "kv pool: 65 more tokens need 2 blocks, 1 of 16 are free");
  EXPECT_EQ(view.size(), 15 * 64);
}

TEST_F(KvViews, CutAnywhereAndJoinedAgainAreTheSame) {
  std::mt19937 random(1);
  KvView donor;
  donor.append_fresh(pool, 300, true);
  for (int round = 0; round < 200; ++round) {
    KvView joined;
    while (joined.size() < 300) {
      const auto count = std::min<int64_t>(random() % 90, 300 - joined.size());
      joined.append_shared(donor, joined.size(), count, true);
    }
    ASSERT_EQ(homes(joined), homes(donor));
    ASSERT_EQ(joined.exact_rows(), 300);
    ASSERT_EQ(joined.segments().size(), donor.segments().size());
    const int64_t kept = random() % 301;
    joined.truncate(kept);
    ASSERT_EQ(joined.size(), kept);
  }
}

}  // namespace
}  // namespace kvs::test
