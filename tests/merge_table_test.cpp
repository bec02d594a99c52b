#include "model/merge_table.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kvs {
namespace {

using Tokens = std::vector<int32_t>;

// The definition: look at all pairs, merge the first of the lowest rank, begin again.
Tokens merged_by_definition(const MergeTable& merges, Tokens tokens) {
  for (;;) {
    size_t best = tokens.size();
    MergeTable::Merge lowest;
    for (size_t at = 0; at + 1 < tokens.size(); ++at) {
      const MergeTable::Merge merge = merges.find(tokens[at], tokens[at + 1]);
      if (merge.rank >= lowest.rank) continue;
      lowest = merge;
      best = at;
    }
    if (best == tokens.size()) return tokens;
    tokens[best] = lowest.id;
    tokens.erase(tokens.begin() + static_cast<ptrdiff_t>(best) + 1);
  }
}

MergeTable random_merges(std::mt19937& random, int32_t letters, uint32_t count) {
  MergeTable merges;
  for (uint32_t rank = 0; rank < count; ++rank) {
    const auto known = static_cast<int32_t>(rank) + letters;
    const auto left = static_cast<int32_t>(random() % static_cast<uint32_t>(known));
    const auto right = static_cast<int32_t>(random() % static_cast<uint32_t>(known));
    merges.add(left, right, {rank, known});
  }
  return merges;
}

TEST(MergeTable, FindsWhatWasAdded) {
  std::mt19937 random(1);
  const MergeTable merges = random_merges(random, 4, 1000);

  EXPECT_EQ(merges.find(2000, 1).rank, MergeTable::kNever);
  EXPECT_EQ(merges.find(-1, -1).rank, MergeTable::kNever);
}

TEST(MergeTable, ALaterMergeOfThePairReplacesTheEarlier) {
  MergeTable merges;
  merges.add(1, 2, {5, 10});
  merges.add(1, 2, {7, 11});

  EXPECT_EQ(merges.find(1, 2).rank, 7U);
  EXPECT_EQ(merges.find(1, 2).id, 11);
}

TEST(MergeAll, EqualsTheDefinitionForShortAndLongWords) {
  std::mt19937 random(2);
  MergeScratch scratch;
  for (int round = 0; round < 300; ++round) {
    const int32_t letters = 2 + round % 4;
    const MergeTable merges = random_merges(random, letters, 1 + static_cast<uint32_t>(round) % 40);
    for (const size_t length : {0, 1, 2, 3, 7, 47, 48, 49, 50, 200}) {
      Tokens tokens(length);
      for (int32_t& token : tokens)
        token = static_cast<int32_t>(random() % static_cast<uint32_t>(letters));
      const Tokens expected = merged_by_definition(merges, tokens);
      merge_all(merges, tokens, scratch);
      ASSERT_EQ(tokens, expected) << "round " << round << ", length " << length;
    }
  }
}

}  // namespace
}  // namespace kvs
