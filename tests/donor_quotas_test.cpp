#include <gtest/gtest.h>

#include <algorithm>

#include "support/donor_scene.h"

namespace kvs::test {
namespace {

// Texts of 128 tokens take two blocks each.
class Quotas : public Donors {
 protected:
  int64_t blocks(int64_t count) const { return count * static_cast<int64_t>(layout.block_bytes()); }

  int64_t kept(DonorStore& store, uint64_t first, uint64_t end, const std::string& tenant) {
    int64_t count = 0;
    for (uint64_t seed = first; seed < end; ++seed) {
      const Ids found = ids(store, text(seed), tenant);
      count += std::count(found.begin(), found.end(), std::to_string(seed));
    }
    return count;
  }
  void add_some(DonorStore& store, uint64_t first, uint64_t end, const std::string& tenant,
                const std::string& owner = "") {
    for (uint64_t seed = first; seed < end; ++seed)
      store.add(std::to_string(seed), tenant, text(seed), rows(128), DonorStore::kUnknownDepth,
                owner);
  }
};

TEST_F(Quotas, AreKeptAtTheTenantsOwnCost) {
  DonorStore store(pool);
  store.set_quotas({{"a", blocks(7)}});
  add_some(store, 0, 5, "b");
  add_some(store, 10, 13, "a");
  for (int times = 0; times < 2; ++times) use(store, text(10), "a");

  add_some(store, 13, 16, "a");

  EXPECT_EQ(kept(store, 0, 5, "b"), 5);
  EXPECT_EQ(kept(store, 10, 16, "a"), 3);
  EXPECT_EQ(ids(store, text(10)), Ids{"10"});  // it was used
  EXPECT_EQ(store.evictions().quota, 3);
  EXPECT_EQ(store.evictions().room, 0);
  EXPECT_EQ(pool.blocks_in_use(), 2 * (5 + 3));
}

TEST_F(Quotas, CountWhateverATenantKeepsApart) {
  DonorStore store(pool);
  store.set_quotas({{"a", blocks(4)}});
  add_some(store, 0, 2, "salt 1", "a");
  add_some(store, 2, 4, "group", "b");

  add_some(store, 4, 6, "group", "a");

  EXPECT_EQ(kept(store, 0, 2, "salt 1"), 0);
  EXPECT_EQ(kept(store, 2, 6, "group"), 4);
}

TEST_F(Quotas, LeaveWhatIsThereWhereSomethingDoesNotFit) {
  DonorStore store(pool);
  store.set_quotas({{"a", blocks(4)}, {"none", blocks(1) - 1}});
  add_some(store, 0, 2, "a");
  Tokens longer = text(0), more = text(7, 200);
  longer.insert(longer.end(), more.begin(), more.end());

  add(store, "too long", "a", longer);
  add(store, "any", "none", text(9));

  EXPECT_EQ(kept(store, 0, 2, "a"), 2);
  EXPECT_EQ(store.size(), 2);
  EXPECT_EQ(store.evictions().quota, 0);
}

TEST_F(Quotas, MayChange) {
  DonorStore store(pool);
  add_some(store, 0, 4, "a");
  store.pin("a", "3");
  add_some(store, 10, 14, "b");

  store.set_quotas({{"a", blocks(4)}});
  EXPECT_EQ(kept(store, 0, 4, "a"), 2);
  store.set_quotas({{"a", 0}});
  EXPECT_EQ(kept(store, 0, 4, "a"), 1);
  EXPECT_EQ(ids(store, text(3)), Ids{"3"});
  EXPECT_EQ(kept(store, 10, 14, "b"), 4);
  store.set_quotas({});
  add_some(store, 0, 4, "a");
  EXPECT_EQ(kept(store, 0, 4, "a"), 4);
}

TEST_F(Quotas, CountConversations) {
  DonorStore store(pool);
  store.set_quotas({{"a", blocks(4)}});
  const Tokens turn = text(1), next = text(1, 400);
  add_some(store, 7, 9, "a");
  store.keep_conversation({.tokens = turn, .tenant = "a", .conversation = "c"}, rows(128, 5), 1);
  EXPECT_EQ(kept(store, 7, 9, "a"), 1);

  store.keep_conversation({.tokens = next, .tenant = "a", .conversation = "c"}, rows(400, 5), 1);

  EXPECT_TRUE(store.find({.tokens = next, .tenant = "a", .conversation = "c"}).empty());
}

}  // namespace
}  // namespace kvs::test
