#include "kvs/fuzzy.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <memory>

#include "kvs/cover.h"
#include "support/errors.h"
#include "support/token_texts.h"

namespace kvs {
namespace {

using test::counting;
using test::edited;
using test::error_of;
using test::joined;
using test::pick;
using test::random_tokens;
using test::Tokens;

constexpr double kNever = -std::numeric_limits<double>::infinity();

// Tokens 1000 and more are alike where they differ by a multiple of 1000; others are nobody's like.
double likeness(int32_t a, int32_t b) {
  return a == b ? 1.0 : a >= 1000 && b >= 1000 && a % 1000 == b % 1000 ? 0.9 : 0.0;
}

std::vector<float> likenesses(std::span<const int32_t> targets, std::span<const int32_t> donors) {
  std::vector<float> cosines;
  for (const int32_t target : targets)
    for (const int32_t donor : donors)
      cosines.push_back(static_cast<float>(likeness(target, donor)));
  return cosines;
}

std::vector<SourceSpan> fuzzy_cover(const Tokens& target, const std::vector<Tokens>& donors,
                                    const FuzzyOptions& options = {.threshold = 0.8}) {
  const std::vector<std::span<const int32_t>> tokens(donors.begin(), donors.end());
  const auto spans = cover(target, tokens, {.min_span = options.min_span});
  return add_fuzzy(target, tokens, spans, likenesses, options);
}

using Spans = std::vector<SourceSpan>;

const Tokens kHead = counting(20), kTail = counting(30, 100);

TEST(Fuzzy, AReplacedTokenKeepsItsRow) {
  const Tokens target = joined({kHead, {2005}, kTail}), donor = joined({kHead, {1005}, kTail});

  EXPECT_EQ(fuzzy_cover(target, {donor}),
            (Spans{{0, 20, 0, 0}, {20, 1, 0, 20, true}, {21, 30, 0, 21}}));
  EXPECT_EQ(fuzzy_cover(target, {donor}, {.threshold = 0.91}),
            (Spans{{0, 20, 0, 0}, {21, 30, 0, 21}}));
}

TEST(Fuzzy, GoesOnFromEitherEndOfAGap) {
  const Tokens target = joined({kHead, {2005, 500, 2006}, kTail});
  const Tokens donor = joined({kHead, {1005, 1006}, kTail});

  EXPECT_EQ(fuzzy_cover(target, {donor}),
            (Spans{{0, 20, 0, 0}, {20, 1, 0, 20, true}, {22, 1, 0, 21, true}, {23, 30, 0, 22}}));
}

TEST(Fuzzy, EqualTokensBetweenThemAreExact) {
  const Tokens target = joined({kHead, {2005, 700, 2006}, kTail});
  const Tokens donor = joined({kHead, {1005, 700, 1006}, kTail});

  EXPECT_EQ(fuzzy_cover(target, {donor}), (Spans{{0, 20, 0, 0},
                                                 {20, 1, 0, 20, true},
                                                 {21, 1, 0, 21},
                                                 {22, 1, 0, 22, true},
                                                 {23, 30, 0, 23}}));
}

TEST(Fuzzy, ARunApartMustBringMoreThanItCosts) {
  const Tokens alike = counting(9, 2000), like = counting(9, 1000);
  const Tokens target = joined({kHead, {500}, alike, {501}, kTail});
  const Tokens donor = joined({kHead, {600, 601}, like, {602, 603}, kTail});

  EXPECT_EQ(fuzzy_cover(target, {donor}, {.threshold = 0.8, .min_span = 8}),
            (Spans{{0, 20, 0, 0}, {21, 9, 0, 22, true}, {31, 30, 0, 33}}));
  EXPECT_EQ(fuzzy_cover(target, {donor}, {.threshold = 0.8, .min_span = 9}),
            (Spans{{0, 20, 0, 0}, {31, 30, 0, 33}}));
}

TEST(Fuzzy, LooksBetweenSpansOfOneDonorOnly) {
  const Tokens other = counting(40, 300);
  const Tokens target = joined({{2001}, kHead, {2002}, other, {2003}});

  const auto spans =
      fuzzy_cover(target, {joined({{1001}, kHead, {1002}}), joined({{1002}, other, {1003}})});

  EXPECT_EQ(spans, (Spans{{22, 40, 1, 1}}));  // the other donor would bring too little
  const auto both =
      fuzzy_cover(joined({kHead, kHead, {2002}, other}), {joined({kHead, kHead, {1002}}), other});
  for (const SourceSpan& span : both) EXPECT_FALSE(span.fuzzy);
}

TEST(Fuzzy, LeavesWideGapsAlone) {
  const Tokens wide = random_tokens(*std::make_unique<std::mt19937_64>(1), 300, 1 << 20);
  Tokens like = wide;
  for (int32_t& token : like) token += 1 << 21;
  const std::vector<Tokens> donors{joined({kHead, wide, kTail})};
  const Tokens target = joined({kHead, like, kTail});
  const std::vector<std::span<const int32_t>> tokens(donors.begin(), donors.end());
  const Spans spans = cover(target, tokens);
  bool asked = false;

  EXPECT_EQ(add_fuzzy(target, tokens, spans,
                      [&](auto targets, auto rows) {
                        asked = true;
                        return std::vector<float>(targets.size() * rows.size(), 1);
                      }),
            spans);
  EXPECT_FALSE(asked);
}

TEST(Fuzzy, WantsACosineForEachPair) {
  const Tokens target = joined({kHead, {2005}, kTail}), donor = joined({kHead, {1005}, kTail});
  const std::span<const int32_t> donors[] = {donor};

  const Error error = error_of([&] {
    add_fuzzy(target, donors, cover(target, donors),
              [](auto, auto) { return std::vector<float>(); });
  });

  EXPECT_STREQ(error.what(), "fuzzy: 0 cosines of 1 x 1 tokens");
}

// Embeddings of a few tokens, and their cosines in double.
class Embeddings {
 public:
  Embeddings(std::mt19937_64& random, int64_t vocab) : rows_(vocab) {
    std::normal_distribution<double> normal;
    for (auto& row : rows_)
      for (double& value : row) value = normal(random);
  }

  double cosine(int32_t a, int32_t b) const {
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < 3; ++i) {
      ab += rows_[a][i] * rows_[b][i];
      aa += rows_[a][i] * rows_[a][i];
      bb += rows_[b][i] * rows_[b][i];
    }
    return ab / std::sqrt(aa * bb);
  }

  TokenCosines cosines() const {
    return [this](std::span<const int32_t> targets, std::span<const int32_t> donors) {
      std::vector<float> all;
      for (const int32_t target : targets)
        for (const int32_t donor : donors) all.push_back(static_cast<float>(cosine(target, donor)));
      return all;
    };
  }

 private:
  std::vector<std::array<double, 3>> rows_;
};

// Where `span` lies: between two neighbours of `spans`, of its own donor, on both sides.
bool inside_a_gap(const SourceSpan& span, const Spans& spans) {
  for (size_t at = 1; at < spans.size(); ++at) {
    const SourceSpan &before = spans[at - 1], &after = spans[at];
    if (before.source == span.source && after.source == span.source &&
        before.target_first + before.count <= span.target_first &&
        before.donor_first + before.count <= span.donor_first &&
        span.target_first + span.count <= after.target_first &&
        span.donor_first + span.count <= after.donor_first)
      return true;
  }
  return false;
}

// Rows that `spans` cover, with where they come from.
std::map<int64_t, std::pair<int32_t, int64_t>> sources_of(const Spans& spans) {
  std::map<int64_t, std::pair<int32_t, int64_t>> sources;
  for (const SourceSpan& span : spans)
    for (int64_t row = 0; row < span.count; ++row)
      EXPECT_TRUE(
          sources.insert({span.target_first + row, {span.source, span.donor_first + row}}).second);
  return sources;
}

TEST(Fuzzy, KeepsAllSpansAndAddsOnlyWhatIsAlikeInsideGaps) {
  std::mt19937_64 random(11);
  int64_t added = 0;
  for (int round = 0; round < 200; ++round) {
    const int64_t vocab = 20 + pick(random, 60);
    const Embeddings embeddings(random, vocab);
    const Tokens text = random_tokens(random, pick(random, 200), vocab);
    const Tokens target = edited(random, text, 0.15, vocab);
    const std::vector<Tokens> donors{text, edited(random, text, 0.3, vocab)};
    const std::vector<std::span<const int32_t>> tokens(donors.begin(), donors.end());
    const double threshold = 0.5 + 0.1 * static_cast<double>(pick(random, 5));
    const Spans spans = cover(target, tokens, {.min_span = 4});

    const Spans filled = add_fuzzy(target, tokens, spans, embeddings.cosines(),
                                   {.threshold = threshold, .min_span = 4});

    const auto before = sources_of(spans), after = sources_of(filled);
    for (const auto& [row, source] : before) ASSERT_EQ(after.at(row), source);
    for (const SourceSpan& span : filled) {
      added += span.fuzzy ? span.count : 0;
      ASSERT_TRUE(!span.fuzzy || inside_a_gap(span, spans));
      for (int64_t row = 0; row < span.count; ++row) {
        const int32_t token = target[span.target_first + row];
        const int32_t old = donors[span.source][span.donor_first + row];
        ASSERT_EQ(span.fuzzy, token != old);
        ASSERT_GE(embeddings.cosine(token, old), threshold - 1e-6);
      }
    }
    const std::vector<int64_t> lengths{std::ssize(donors[0]), std::ssize(donors[1])};
    const EditScript script = make_script(target, lengths, filled);
    ASSERT_EQ(apply_script(script, tokens), target);
    ASSERT_EQ(script.target_tokens(), std::ssize(target));
  }
  EXPECT_GT(added, 100);
}

// What the best pairing of the last tokens is worth, by trying all: `in_run` says whether the pair
// before the first of them was taken.
struct Pairings {
  const std::vector<std::vector<double>>& worth;
  double apart;

  double best(size_t t, size_t d, bool in_run) const {
    const size_t targets = worth.size(), donors = worth[0].size();
    if (t == targets && d == donors) return in_run ? apart : 0;  // a run goes on into the next span
    double most = kNever;
    if (t < targets) most = std::max(most, best(t + 1, d, false));
    if (d < donors) most = std::max(most, best(t, d + 1, false));
    if (t < targets && d < donors && worth[t][d] > kNever)
      most = std::max(most, worth[t][d] - (in_run ? 0 : apart) + best(t + 1, d + 1, true));
    return most;
  }
};

TEST(Fuzzy, PairsForTheLargestSum) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    const int64_t vocab = 8;
    const Embeddings embeddings(random, vocab);
    const Tokens gap = random_tokens(random, 1 + pick(random, 5), vocab);
    const Tokens old = random_tokens(random, 1 + pick(random, 5), vocab);
    const Tokens target = joined({counting(9, 100), gap, counting(9, 200)});
    const Tokens donor = joined({counting(9, 100), old, counting(9, 200)});
    const std::span<const int32_t> donors[] = {donor};
    const auto size = std::ssize(gap);
    const Spans ends{{0, 9, 0, 0}, {9 + size, 9, 0, 9 + std::ssize(old)}};
    std::vector<std::vector<double>> worth(gap.size(), std::vector<double>(old.size(), kNever));
    for (size_t t = 0; t < gap.size(); ++t)
      for (size_t d = 0; d < old.size(); ++d)
        if (const double cosine = embeddings.cosine(gap[t], old[d]); cosine >= 0.2)
          worth[t][d] = cosine;

    const Spans filled =
        add_fuzzy(target, donors, ends, embeddings.cosines(), {.threshold = 0.2, .min_span = 1});

    // The same sum over what was chosen.
    double sum = 0;
    int64_t next_row = 9, next_donor = 9;  // where a run goes on
    bool in_run = true;
    for (const auto& [row, source] : sources_of(filled)) {
      if (row < 9 || row >= 9 + size) continue;
      in_run = row == next_row && source.second == next_donor;
      sum += worth[row - 9][source.second - 9] - (in_run ? 0 : 1);
      next_row = row + 1;
      next_donor = source.second + 1;
    }
    const bool into_next = next_row == 9 + size && next_donor == 9 + std::ssize(old);
    sum += into_next ? 1 : 0;
    ASSERT_NEAR(sum, (Pairings{worth, 1.0}.best(0, 0, true)), 1e-5) << round;
  }
}

}  // namespace
}  // namespace kvs
