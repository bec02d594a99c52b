#include "kvs/align.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/errors.h"
#include "support/token_texts.h"

namespace kvs {
namespace {

using test::counting;
using test::joined;
using test::Tokens;

// What must hold for every script: applied to the donor it gives the target, its reused spans
// equal the donor's tokens, short ones are a prefix only, and each donor token is used or removed.
void check_script(const EditScript& script, const Tokens& target, const Tokens& donor,
                  int64_t min_span) {
  const std::span<const int32_t> donors[] = {donor};
  ASSERT_EQ(apply_script(script, donors), target);
  ASSERT_EQ(script.target_tokens(), static_cast<int64_t>(target.size()));

  std::vector<int> removed(donor.size()), reused(donor.size());
  int64_t kept_end = 0;
  for (const EditOp& op : script.ops) {
    ASSERT_GE(op.count, 1);
    if (op.reuses()) {
      ASSERT_TRUE(std::equal(&target[op.target_first], &target[op.target_first] + op.count,
                             &donor[op.donor_first]));
      ASSERT_TRUE(op.count >= min_span || (op.target_first == 0 && op.donor_first == 0));
    }
    if (op.kind == EditKind::keep) {
      ASSERT_GE(op.donor_first, kept_end);
      kept_end = op.donor_first + op.count;
    }
    auto& uses = op.reuses() ? reused : removed;
    for (int64_t at = 0; op.kind != EditKind::insert && at < op.count; ++at)
      ++uses[op.donor_first + at];
  }
  for (size_t at = 0; at < donor.size(); ++at)
    ASSERT_EQ(removed[at], reused[at] > 0 ? 0 : 1) << "donor token " << at;
}

EditScript align_checked(const Tokens& target, const Tokens& donor,
                         const AlignOptions& options = {}) {
  EditScript script = align(target, donor, options);
  check_script(script, target, donor, options.min_span);
  return script;
}

TEST(Align, EmptySidesGiveInsertionsOrRemovals) {
  const Tokens text = counting(20);

  EXPECT_TRUE(align_checked({}, {}).ops.empty());
  EXPECT_EQ(align_checked(text, {}).ops, (std::vector<EditOp>{{EditKind::insert, 0, 0, 0, 20}}));
  EXPECT_EQ(align_checked({}, text).ops, (std::vector<EditOp>{{EditKind::remove, 0, 0, 0, 20}}));
}

TEST(Align, IdenticalTextsAreOneKeptSpan) {
  for (const int count : {1, 7, 8, 1000}) {
    const EditScript script = align_checked(counting(count), counting(count));

    EXPECT_EQ(script.ops, (std::vector<EditOp>{{EditKind::keep, 0, 0, 0, count}}));
    EXPECT_EQ(script.coverage(), 1.0);
  }
}

TEST(Align, TextsWithNothingInCommonAreReplaced) {
  const EditScript script = align_checked(counting(30), counting(20, 100));

  EXPECT_EQ(script.ops, (std::vector<EditOp>{{EditKind::replace, 0, 0, 0, 20},
                                             {EditKind::insert, 0, 20, 0, 10}}));
  EXPECT_EQ(script.coverage(), 0.0);
}

TEST(Align, AChangedFirstLineKeepsTheRestWithItsShift) {
  const Tokens body = counting(500, 1000);

  const EditScript script =
      align_checked(joined({counting(10), body}), joined({counting(7, 100), body}));

  EXPECT_EQ(script.ops, (std::vector<EditOp>{{EditKind::replace, 0, 0, 0, 7},
                                             {EditKind::insert, 0, 7, 0, 3},
                                             {EditKind::keep, 0, 10, 7, 500}}));
  EXPECT_EQ(script.ops.back().shift(), 3);
}

TEST(Align, SpansUnderTheMinimumAreComputedExceptAPrefix) {
  const Tokens donor = joined({counting(3), counting(7, 50), counting(20, 200)});
  const Tokens target = joined({counting(3), {900, 901}, counting(7, 50), {902, 903}});

  const EditScript script = align_checked(target, donor);

  EXPECT_EQ(script.kept(), 3);
  EXPECT_EQ(align_checked(target, donor, {.min_span = 7}).kept(), 10);
}

TEST(Align, ReversedBlocksAreMovedAroundTheLongestOne) {
  const Tokens a = counting(40), b = counting(60, 100), c = counting(50, 200);

  const EditScript script = align_checked(joined({c, b, a}), joined({a, b, c}));

  EXPECT_EQ(script.ops, (std::vector<EditOp>{{EditKind::move, 0, 0, 100, 50},
                                             {EditKind::keep, 0, 50, 40, 60},
                                             {EditKind::move, 0, 110, 0, 40}}));
  EXPECT_EQ(align_checked(joined({c, b, a}), joined({a, b, c}), {.moves = false}).moved(), 0);
}

TEST(Align, ADonorSpanMayServeTwice) {
  const Tokens part = counting(50);

  const EditScript script = align_checked(joined({part, {900}, part}), part);

  EXPECT_EQ(script.kept(), 50);
  EXPECT_EQ(script.moved(), 50);
}

TEST(Align, OneRepeatedTokenIsKeptAsFarAsItGoes) {
  const Tokens longer(8000, 5), shorter(3000, 5);

  EXPECT_EQ(align_checked(longer, shorter).kept(), 3000);
  EXPECT_EQ(align_checked(longer, shorter).computed(), 0);  // the rest is used again
  EXPECT_EQ(align_checked(shorter, longer).kept(), 3000);
}

TEST(Align, RepetitionAroundAChangeKeepsTheOrder) {
  Tokens donor;
  for (int line = 0; line < 300; ++line) donor = joined({donor, counting(9)});
  Tokens target = donor;
  target.insert(target.begin() + 1350, {77, 78, 79});

  const EditScript script = align_checked(target, donor);

  EXPECT_EQ(script.kept(), 2700);
  EXPECT_EQ(script.computed(), 3);
}

TEST(Align, NoMoreIsComputedThanEditsExplain) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20; ++round) {
    const Tokens donor = test::random_tokens(random, 4000, 30'000);
    Tokens target = donor;
    for (int edit = 0; edit < 20; ++edit)
      target[100 + 190 * edit] = 50'000 + edit;  // far enough apart for the minimum

    EXPECT_EQ(align_checked(target, donor).computed(), 20);
  }
}

TEST(Align, HoldsForThousandsOfRandomTexts) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 4000; ++round) {
    const int64_t vocab = 1 + test::pick(random, round % 3 == 0 ? 4 : 60);
    const Tokens donor = test::random_tokens(random, test::pick(random, 200), vocab);
    Tokens target = test::edited(random, donor, 0.2 * (round % 5), vocab);
    if (round % 2 == 0) target = test::shuffled_blocks(random, target, 1 + test::pick(random, 50));
    const AlignOptions options{.min_span = 1 + test::pick(random, 20), .moves = round % 7 != 0};

    SCOPED_TRACE(round);
    align_checked(target, donor, options);
    if (HasFatalFailure()) return;
  }
}

TEST(Align, HoldsWhereTheBudgetRunsOut) {
  std::mt19937_64 random(2);
  for (const int64_t budget : {0, 1, 1000, 300'000}) {
    const Tokens donor = test::random_tokens(random, 3000, 3);
    const Tokens target = test::random_tokens(random, 3000, 3);

    align_checked(target, donor, {.min_span = 1, .budget = budget});
  }
}

// The length of a longest common subsequence, by its definition.
int64_t longest_common(const Tokens& a, const Tokens& b) {
  std::vector<int64_t> row(b.size() + 1);
  for (const int32_t token : a) {
    int64_t diagonal = 0;
    for (size_t at = 0; at < b.size(); ++at) {
      const int64_t above = row[at + 1];
      row[at + 1] = token == b[at] ? diagonal + 1 : std::max(above, row[at]);
      diagonal = above;
    }
  }
  return row[b.size()];
}

TEST(Align, WithoutAnchorsItKeepsALongestCommonSubsequence) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    // Said four times over, no k-gram of the donor is unique, so all is left to the search.
    const Tokens part = test::random_tokens(random, test::pick(random, 60), 2);
    const Tokens donor = joined({part, part, part, part});
    const Tokens target = test::edited(random, joined({part, part}), 0.3, 2);

    const EditScript script = align_checked(target, donor, {.min_span = 1, .moves = false});

    EXPECT_EQ(script.kept(), longest_common(target, donor));
  }
}

TEST(Align, RefusesASpanOfNothing) {
  const Error error = test::error_of([] { align(Tokens{1}, Tokens{1}, {.min_span = 0}); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(), "align: min_span must be at least 1, found 0");
}

}  // namespace
}  // namespace kvs
