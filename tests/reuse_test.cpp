#include "kvs/reuse.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>

#include "kvs/guard.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

using Kind = PlanSpan::Kind;
using Tokens = std::vector<int32_t>;

Tokens range(int32_t first, int32_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Reuse : public testing::Test {
 protected:
  // A donor whose rows are all exact.
  ReuseDonor donor(const Tokens& tokens) {
    views_.push_back(std::make_unique<KvView>());
    views_.back()->append_fresh(pool, static_cast<int64_t>(tokens.size()), true);
    return {.id = "donor",
            .tokens = tokens,
            .exact_rows = static_cast<int64_t>(tokens.size()),
            .view = views_.back().get()};
  }

  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvPool pool{*backend, {.layers = 1, .kv_heads = 1, .head_dim = 8}, 256};
  std::vector<std::unique_ptr<KvView>> views_;
};

// "exact 0+10, computed 10+1": what a failing test shows.
std::string text_of(const ReusePlan& plan) {
  constexpr const char* kNames[] = {"exact", "shifted", "fuzzy", "recomputed", "computed"};
  std::string text;
  for (const PlanSpan& span : plan.spans)
    text += fmt::format("{}{} {}+{}", text.empty() ? "" : ", ", kNames[static_cast<int>(span.kind)],
                        span.first, span.count);
  return text;
}

TEST_F(Reuse, ComputesEverythingWithoutDonors) {
  const ReusePlan plan = plan_reuse(range(0, 100), {}, {});

  EXPECT_EQ(text_of(plan), "computed 0+100");
  EXPECT_EQ(plan.reason, ReuseReason::no_donor);
}

TEST_F(Reuse, SharesAnIdenticalPromptButItsLastRow) {
  const Tokens tokens = range(0, 100);
  const ReuseDonor donors[] = {donor(tokens)};

  const ReusePlan plan = plan_reuse(tokens, donors, {});

  EXPECT_EQ(text_of(plan), "exact 0+99, recomputed 99+1");
  EXPECT_EQ(plan.reason, ReuseReason::none);
}

TEST_F(Reuse, KeepsWhatFollowsAChangedFirstLine) {
  const Tokens body = range(1000, 200);
  const Tokens old_prompt = range(0, 12) + body, new_prompt = range(500, 15) + body + range(7, 4);
  const ReuseDonor donors[] = {donor(old_prompt)};

  EXPECT_EQ(text_of(plan_reuse(new_prompt, donors, {.policy = Policy::naive})),
            "computed 0+15, shifted 15+200, computed 215+4");
  EXPECT_EQ(text_of(plan_reuse(new_prompt, donors, {.policy = Policy::epic, .sinks = 6})),
            "computed 0+15, recomputed 15+6, shifted 21+194, computed 215+4");
  EXPECT_EQ(text_of(plan_reuse(new_prompt, donors, {.policy = Policy::prefix})), "computed 0+219");
  EXPECT_EQ(text_of(plan_reuse(new_prompt, donors, {.policy = Policy::full})), "computed 0+219");
}

TEST_F(Reuse, TakesOnlyAPrefixInExactMode) {
  const Tokens tokens = range(0, 50) + range(900, 10) + range(50, 50);
  const Tokens old_prompt = range(0, 100);
  const ReuseDonor donors[] = {donor(old_prompt)};

  const ReusePlan plan = plan_reuse(tokens, donors, {.mode = ReuseMode::exact});

  EXPECT_EQ(text_of(plan), "exact 0+50, computed 50+60");
}

TEST_F(Reuse, CountsTheApproximateRowsOfADonorAsShifted) {
  const Tokens tokens = range(0, 100);
  ReuseDonor own = donor(tokens);
  own.exact_rows = 30;

  const ReusePlan plan = plan_reuse(tokens, std::span(&own, 1), {.policy = Policy::naive});

  EXPECT_EQ(text_of(plan), "exact 0+30, shifted 30+69, recomputed 99+1");
}

// Token t is like t + 5000, and like nothing else but itself.
std::vector<float> likenesses(std::span<const int32_t> targets, std::span<const int32_t> donors) {
  std::vector<float> cosines;
  for (const int32_t target : targets)
    for (const int32_t donor : donors)
      cosines.push_back(target == donor ? 1.0F : std::abs(target - donor) == 5000 ? 0.9F : 0.1F);
  return cosines;
}

TEST_F(Reuse, LetsRowsServeTokensThatAreAlike) {
  const Tokens old_prompt = range(0, 100);
  Tokens tokens = old_prompt;
  tokens[40] += 5000;
  tokens[70] = 9000;
  const ReuseDonor donors[] = {donor(old_prompt)};
  const auto planned = [&](const ReuseOptions& options) {
    return text_of(plan_reuse(tokens, donors, options, likenesses));
  };

  EXPECT_EQ(planned({.policy = Policy::naive, .fuzzy = 0.8}),
            "exact 0+40, fuzzy 40+1, shifted 41+29, computed 70+1, shifted 71+28, recomputed 99+1");
  EXPECT_EQ(planned({.policy = Policy::naive, .fuzzy = 0.95}), planned({.policy = Policy::naive}));
  // What a rule computes behind an edit, it computes whether the edit's row is kept or not.
  EXPECT_EQ(planned({.policy = Policy::epic, .sinks = 4, .fuzzy = 0.8}),
            "exact 0+40, fuzzy 40+1, recomputed 41+4, shifted 45+25, computed 70+1, "
            "recomputed 71+4, shifted 75+24, recomputed 99+1");
  EXPECT_EQ(planned({.policy = Policy::kvshare,
                     .budget = 1,
                     .structure = 1,
                     .halo = 8,
                     .last = 16,
                     .fuzzy = 0.8})
                .substr(0, 39),
            "exact 0+40, fuzzy 40+1, recomputed 41+8");
  EXPECT_EQ(planned({.mode = ReuseMode::exact, .fuzzy = 0.8}), "exact 0+40, computed 40+60");
  EXPECT_EQ(planned({.policy = Policy::prefix, .fuzzy = 0.8}), "exact 0+40, computed 40+60");
}

TEST_F(Reuse, AViewOverFuzzyRowsIsApproximate) {
  const Tokens old_prompt = range(0, 100);
  Tokens tokens = old_prompt;
  tokens[40] += 5000;
  const ReuseDonor donors[] = {donor(old_prompt)};

  const ReusePlan plan =
      plan_reuse(tokens, donors, {.policy = Policy::naive, .fuzzy = 0.8}, likenesses);

  const KvView view = build_view(plan, donors, pool);
  EXPECT_EQ(view.exact_rows(), 40);
  EXPECT_EQ(view.slot(40).block, donors[0].view->slot(40).block);
  EXPECT_EQ(plan.tokens_of(0), 99);
}

// A guard knows nothing of fuzzy rows: there are none where it decides, and it refuses given ones.
TEST_F(Reuse, AGuardVouchesForNoFuzzyRow) {
  std::mt19937 random(4);
  std::lognormal_distribution<double> mass(-3, 1);
  std::vector<GuardSample> samples;
  for (int sample = 0; sample < 100; ++sample) {
    const double kept_mass = mass(random);
    const ReuseEvidence evidence{.tokens = 100,
                                 .kept = 90,
                                 .computed = 1 + sample % 9,
                                 .seams = 1,
                                 .measured = true,
                                 .kept_mass = kept_mass};
    const double kl = 1e-3 * kept_mass;
    samples.push_back({.evidence = evidence, .kl = {kl, kl / 2}});
  }
  const Guard guard({0, 0.2}, samples, GuardPromise{});
  const Tokens old_prompt = range(0, 100);
  Tokens tokens = old_prompt;
  tokens[40] += 5000;
  ReuseDonor donors[] = {donor(old_prompt)};
  ReuseOptions options{
      .policy = Policy::kvshare, .structure = 1, .halo = 4, .last = 4, .fuzzy = 0.8};

  EXPECT_EQ(plan_reuse(tokens, donors, options, likenesses).count(Kind::fuzzy), 1);
  options.guard = &guard;
  EXPECT_EQ(plan_reuse(tokens, donors, options, likenesses).count(Kind::fuzzy), 0);
  donors[0].only_at = 0;
  const ReusePlan given = plan_reuse(tokens, donors, options, likenesses);
  EXPECT_EQ(given.reason, ReuseReason::guard);
  EXPECT_EQ(text_of(given), "exact 0+40, computed 40+60");
  options.budget = 0.5;
  EXPECT_EQ(plan_reuse(tokens, donors, options, likenesses).count(Kind::fuzzy), 1);
}

TEST_F(Reuse, WantsCosinesForFuzzyRows) {
  const Tokens tokens = range(0, 100);
  const ReuseDonor donors[] = {donor(tokens)};

  EXPECT_STREQ(error_of([&] { plan_reuse(tokens, donors, {.fuzzy = 0.8}); }).what(),
               "fuzzy reuse needs the embeddings of tokens");
}

TEST_F(Reuse, FuzzyRowsChangeNothingElse) {
  std::mt19937 random(8);
  int64_t fuzzy = 0;
  for (int round = 0; round < 200; ++round) {
    Tokens old_prompt(50 + random() % 100), tokens;
    for (int32_t& token : old_prompt) token = static_cast<int32_t>(random() % 500);
    for (const int32_t token : old_prompt) {
      const auto drawn = random() % 20;
      if (drawn != 0) tokens.push_back(drawn == 1 ? token + 5000 : token);
    }
    if (round % 2 == 0) tokens.push_back(old_prompt.back() + 5000);
    views_.clear();
    const ReuseDonor donors[] = {donor(old_prompt)};
    const ReuseOptions off{.policy = Policy::naive, .min_span = 4};
    ReuseOptions on = off;
    on.fuzzy = 0.8;

    const ReusePlan without = plan_reuse(tokens, donors, off, likenesses);
    const ReusePlan with = plan_reuse(tokens, donors, on, likenesses);

    ASSERT_EQ(text_of(without), text_of(plan_reuse(tokens, donors, off)));
    ASSERT_EQ(without.count(Kind::fuzzy), 0);
    ASSERT_EQ(with.count(Kind::exact), without.count(Kind::exact));
    ASSERT_EQ(with.count(Kind::recomputed), without.count(Kind::recomputed));
    ASSERT_FALSE(with.spans.back().shared());
    ASSERT_LE(with.count(Kind::computed), without.count(Kind::computed));
    for (const PlanSpan& span : with.spans)
      for (int64_t row = 0; span.kind == Kind::fuzzy && row < span.count; ++row)
        ASSERT_EQ(std::abs(tokens[span.first + row] - old_prompt[span.donor_first + row]), 5000);
    fuzzy += with.count(Kind::fuzzy);
  }
  EXPECT_GT(fuzzy, 300);
}

TEST_F(Reuse, APieceOfAnEditedPromptMayStandForOtherTokens) {
  const Tokens tokens = range(0, 100);
  Tokens rows = range(20, 50);
  rows[10] = 777;
  ReuseDonor piece = donor(rows);
  piece.exact_rows = 0;
  piece.only_at = 20;

  const ReusePlan plan = plan_reuse(tokens, std::span(&piece, 1), {.policy = Policy::naive});

  EXPECT_EQ(text_of(plan),
            "computed 0+20, shifted 20+10, fuzzy 30+1, shifted 31+39, computed 70+30");
}

TEST_F(Reuse, TakesLosslessRowsBeforeALongerApproximatePrefix) {
  const Tokens tokens = range(0, 100), shorter = range(0, 60) + range(900, 40);
  ReuseDonor donors[] = {donor(tokens), donor(shorter)};
  donors[0].exact_rows = 20;
  const ReuseOptions naive{.policy = Policy::naive};

  EXPECT_EQ(text_of(plan_reuse(tokens, donors, naive)),
            "exact 0+60, shifted 60+39, recomputed 99+1");
  donors[1].exact_rows = 20;
  EXPECT_EQ(text_of(plan_reuse(tokens, donors, naive)),
            "exact 0+20, shifted 20+79, recomputed 99+1");
}

TEST_F(Reuse, KvshareTakesNoShortRuns) {
  const Tokens tokens = range(500, 10) + range(20, 23) + range(600, 10) + range(50, 40);
  const Tokens old_prompt = range(0, 100);
  ReuseDonor donors[] = {donor(old_prompt)};
  const ReuseOptions kvshare{.policy = Policy::kvshare, .budget = 0};

  EXPECT_EQ(text_of(plan_reuse(tokens, donors, {.policy = Policy::naive})),
            "computed 0+10, shifted 10+23, computed 33+10, shifted 43+39, recomputed 82+1");
  EXPECT_EQ(text_of(plan_reuse(tokens, donors, kvshare)),
            "computed 0+43, shifted 43+39, recomputed 82+1");
}

TEST_F(Reuse, ShortPiecesOfAnEditedPromptAreComputedToo) {
  const Tokens tokens = range(0, 100), first = range(0, 5), shorter = range(20, 23);
  const Tokens longer = range(60, 24);
  ReuseDonor donors[] = {donor(first), donor(shorter), donor(longer)};
  donors[0].only_at = 0;
  donors[1].only_at = 20;
  donors[2].only_at = 60;
  const ReuseOptions kvshare{.policy = Policy::kvshare, .budget = 0};

  EXPECT_EQ(text_of(plan_reuse(tokens, donors, kvshare)),
            "exact 0+5, computed 5+55, shifted 60+24, computed 84+16");
  EXPECT_EQ(plan_reuse(tokens, donors, {.policy = Policy::naive}).count(Kind::shifted), 47);
  EXPECT_EQ(text_of(plan_reuse(tokens, std::span(donors).subspan(1, 1), kvshare)),
            "computed 0+100");  // and nothing is aligned instead
}

TEST_F(Reuse, SaysWhyNothingWasReused) {
  const Tokens donor_tokens = range(0, 50);
  const ReuseDonor donors[] = {donor(donor_tokens)};

  EXPECT_EQ(plan_reuse(range(0, 5), donors, {}).reason, ReuseReason::too_short);
  EXPECT_EQ(plan_reuse(range(700, 50), donors, {}).reason, ReuseReason::below_threshold);
  EXPECT_EQ(plan_reuse(range(0, 50), donors, {.mode = ReuseMode::off}).reason, ReuseReason::off);
}

TEST_F(Reuse, BuildsAViewThatSharesTheDonorsBlocks) {
  const Tokens body = range(1000, 128);
  const Tokens old_prompt = range(0, 10) + body, new_prompt = range(500, 20) + body + range(1, 2);
  const ReuseDonor donors[] = {donor(old_prompt)};
  const int64_t before = pool.blocks_in_use();

  const ReusePlan plan = plan_reuse(new_prompt, donors, {.policy = Policy::naive});
  const KvView view = build_view(plan, donors, pool);

  EXPECT_EQ(view.size(), 150);
  EXPECT_EQ(view.exact_rows(), 20);
  EXPECT_EQ(pool.blocks_in_use(), before + 1);  // 22 fresh rows and nothing copied
  EXPECT_EQ(view.slot(20).block, donors[0].view->slot(10).block);
}

TEST_F(Reuse, TilesThePromptWhateverTheDonors) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const auto some = [&](size_t count) {
      Tokens tokens(random() % count);
      for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 4);
      return tokens;
    };
    views_.clear();
    const Tokens tokens = some(200), first = some(200), second = first + tokens;
    const ReuseDonor donors[] = {donor(first), donor(second)};

    const ReusePlan plan =
        plan_reuse(tokens, donors, {.sinks = static_cast<int64_t>(random() % 5)});

    int64_t end = 0;
    for (const PlanSpan& span : plan.spans) {
      ASSERT_EQ(span.first, end);
      ASSERT_GT(span.count, 0);
      for (int64_t row = 0; span.shared() && row < span.count; ++row)
        ASSERT_EQ(tokens[span.first + row], donors[span.donor].tokens[span.donor_first + row]);
      end += span.count;
    }
    ASSERT_EQ(end, static_cast<int64_t>(tokens.size()));
    if (!tokens.empty()) {
      ASSERT_FALSE(plan.spans.back().shared());
    }
    ASSERT_EQ(build_view(plan, donors, pool).size(), end);
  }
}

TEST_F(Reuse, NamesThePoliciesThatThereAre) {
  EXPECT_EQ(policy_from_name("epic"), Policy::epic);
  EXPECT_STREQ(
      error_of([] { policy_from_name("magic"); }).what(),
      "unknown policy 'magic', expected full, prefix, naive, epic, cacheblend, dhd, probe, "
      "kvshare");
}

}  // namespace
}  // namespace kvs::test
