#include "kvs/layered_view.h"

#include <gtest/gtest.h>

namespace kvs::test {
namespace {

class LayeredViews : public testing::Test {
 protected:
  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvPool pool{*backend, {.layers = 4, .kv_heads = 1, .head_dim = 8}, 16};
};

bool same_slot(const KvView& a, const KvView& b, int64_t position) {
  return a.slot(position).block == b.slot(position).block &&
         a.slot(position).row == b.slot(position).row;
}

TEST_F(LayeredViews, MixesRowsWithoutCopyingThem) {
  KvView kept, fresh;
  kept.append_fresh(pool, 10, true);
  fresh.append_fresh(pool, 10, true);
  const int64_t blocks = pool.blocks_in_use();

  const KvView mixed = mixed_view(kept, fresh, std::vector<int64_t>{0, 4, 5, 9});

  EXPECT_EQ(mixed.size(), 10);
  for (const int64_t row : {0, 4, 5, 9}) EXPECT_TRUE(same_slot(mixed, fresh, row)) << row;
  for (const int64_t row : {1, 2, 3, 6, 7, 8}) EXPECT_TRUE(same_slot(mixed, kept, row)) << row;
  EXPECT_EQ(pool.blocks_in_use(), blocks);
}

TEST_F(LayeredViews, IsApproximateBehindTheFirstApproximateRow) {
  KvView kept, fresh;
  kept.append_fresh(pool, 3, true);
  kept.append_fresh(pool, 7, false);
  fresh.append_fresh(pool, 10, true);

  EXPECT_EQ(mixed_view(kept, fresh, std::vector<int64_t>{3, 4, 8}).exact_rows(), 5);
  EXPECT_EQ(mixed_view(kept, fresh, {}).exact_rows(), 3);
}

TEST_F(LayeredViews, ShowsEachRangeOfLayersItsList) {
  KvView kept, fresh;
  kept.append_fresh(pool, 6, true);
  fresh.append_fresh(pool, 6, true);
  LayeredView view(fresh);
  view.differ_from(2, mixed_view(kept, fresh, std::vector<int64_t>{1}));
  view.differ_from(3, kept);

  EXPECT_EQ(view.bounds(), (std::vector<int>{2, 3}));
  EXPECT_TRUE(same_slot(view.at(1), fresh, 0));
  EXPECT_TRUE(same_slot(view.at(2), kept, 0));
  EXPECT_TRUE(same_slot(view.at(2), fresh, 1));
  EXPECT_TRUE(same_slot(view.at(3), kept, 1));
}

TEST_F(LayeredViews, AppendsAndReplacesInEveryLayer) {
  KvView kept, fresh;
  kept.append_fresh(pool, 6, true);
  fresh.append_fresh(pool, 6, true);
  LayeredView view(fresh);
  view.differ_from(2, kept);

  view.append_fresh(pool, 2, false);
  view.replace_by_fresh(pool, 1, 2, false);

  EXPECT_EQ(view.size(), 8);
  EXPECT_EQ(view.at(0).size(), 8);
  for (const int64_t row : {1, 2, 6, 7}) EXPECT_TRUE(same_slot(view.at(0), view.at(2), row)) << row;
  for (const int64_t row : {0, 3}) EXPECT_FALSE(same_slot(view.at(0), view.at(2), row)) << row;
  EXPECT_FALSE(same_slot(view.top(), kept, 1));
}

}  // namespace
}  // namespace kvs::test
