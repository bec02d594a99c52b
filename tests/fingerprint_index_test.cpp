#include "kvs/fingerprint_index.h"

#include <gtest/gtest.h>

#include "index/winnow.h"
#include "support/errors.h"
#include "support/token_texts.h"

namespace kvs {
namespace {

using test::error_of;
using test::joined;
using test::Tokens;

constexpr int64_t kVocab = 50'000;

Tokens long_text(uint64_t seed, int64_t count = 1000) {
  std::mt19937_64 random(seed);
  return test::random_tokens(random, count, kVocab);
}

Tokens part(const Tokens& tokens, size_t first, size_t count) {
  return {tokens.begin() + first, tokens.begin() + first + count};
}

TEST(Winnow, KeepsOneOfSixteenNeighboursAtLeast) {
  const Tokens tokens = long_text(1, 20'000);

  const std::vector<Fingerprint> kept = winnow(tokens);

  size_t total = 0;
  for (const Fingerprint& fingerprint : kept) total += fingerprint.tokens;
  EXPECT_EQ(total, tokens.size());
  EXPECT_NEAR(static_cast<double>(kept.size()), 20'000 * 2.0 / 17, 100);
}

TEST(Winnow, KeepsLittleOfOneRepeatedToken) {
  EXPECT_TRUE(winnow(Tokens(15, 7)).empty());
  EXPECT_EQ(winnow(Tokens(16, 7)).size(), 1u);
  EXPECT_LE(winnow(Tokens(1600, 7)).size(), 101u);
}

TEST(Winnow, KeepsTheSameInEverySpanOf31Tokens) {
  const Tokens shared = long_text(2, 31);
  for (uint64_t seed = 10; seed < 200; ++seed) {
    const auto a = winnow(joined({long_text(seed, 50), shared, long_text(seed + 1000, 50)}));
    const auto b = winnow(joined({long_text(seed + 2000, 77), shared}));

    const bool common = std::any_of(a.begin(), a.end(), [&](const Fingerprint& x) {
      return std::any_of(b.begin(), b.end(),
                         [&](const Fingerprint& y) { return x.hash == y.hash; });
    });
    EXPECT_TRUE(common) << seed;
  }
}

TEST(FingerprintIndex, FindsNothingWhereNothingIsShared) {
  FingerprintIndex index;
  EXPECT_TRUE(index.search(long_text(1), 5).empty());

  index.add(0, long_text(2));
  index.add(1, {});

  EXPECT_TRUE(index.search(long_text(1), 5).empty());
  EXPECT_TRUE(index.search({}, 5).empty());
  EXPECT_TRUE(index.search(long_text(2), 0).empty());
}

TEST(FingerprintIndex, RanksDonorsByTheTokensTheyShare) {
  FingerprintIndex index;
  const Tokens base = long_text(3);
  index.add(7, joined({long_text(4, 300), part(base, 500, 300), long_text(5, 100)}));
  index.add(3, base);
  index.add(9, joined({part(base, 800, 200), part(base, 0, 450)}));

  const auto found = index.search(base, 10);

  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0], (FingerprintMatch{3, 1000}));
  EXPECT_EQ(found[1].donor, 9u);
  EXPECT_NEAR(static_cast<double>(found[1].tokens), 650, 90);
  EXPECT_EQ(found[2].donor, 7u);
  EXPECT_NEAR(static_cast<double>(found[2].tokens), 300, 90);
}

TEST(FingerprintIndex, FindsEverySpanOf31TokensWhereverItMoved) {
  FingerprintIndex index;
  for (uint32_t donor = 0; donor < 300; ++donor) index.add(donor, long_text(100 + donor, 400));
  for (uint32_t donor = 0; donor < 300; ++donor) {
    const Tokens span = part(long_text(100 + donor, 400), donor, 31);

    const auto found =
        index.search(joined({long_text(9000 + donor, 200), span, long_text(5, 99)}), 1);

    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].donor, donor);
  }
}

TEST(FingerprintIndex, StoresSharedTextOnce) {
  const Tokens policy = long_text(6, 1500);
  FingerprintIndex shared, apart;
  for (uint32_t donor = 0; donor < 1000; ++donor) {
    shared.add(donor, joined({long_text(100 + donor, 20), policy, long_text(5000 + donor, 20)}));
    apart.add(donor, long_text(100 + donor, 1540));
  }

  EXPECT_LT(shared.stats().bytes * 8, apart.stats().bytes);
  EXPECT_LT(shared.stats().chunks, 4 * 1000);
}

TEST(FingerprintIndex, FindsTheRightOneOfManyThatShareMost) {
  const Tokens policy = long_text(6, 1500);
  FingerprintIndex index;
  for (uint32_t donor = 0; donor < 1000; ++donor)
    index.add(donor, joined({policy, long_text(5000 + donor, 60)}));

  for (const uint32_t donor : {0u, 17u, 500u, 999u}) {
    const auto found = index.search(
        joined({long_text(1, 10), policy, long_text(2, 9), long_text(5000 + donor, 60)}), 3);

    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].donor, donor);
    EXPECT_GT(found[0].tokens, found[1].tokens + 20);
    EXPECT_GT(found[1].tokens, 1400);
  }
}

TEST(FingerprintIndex, ForgetsRemovedDonors) {
  FingerprintIndex index;
  const Tokens policy = long_text(6, 600);
  for (uint32_t donor = 0; donor < 200; ++donor)
    index.add(donor, joined({policy, long_text(5000 + donor, 200)}));
  const int64_t chunks = index.stats().chunks;

  for (uint32_t donor = 20; donor < 200; ++donor) EXPECT_TRUE(index.remove(donor));

  EXPECT_FALSE(index.remove(20));
  EXPECT_LT(index.stats().chunks, chunks / 3);
  const auto found = index.search(joined({policy, long_text(5150, 200)}), 100);
  ASSERT_EQ(found.size(), 20u);
  for (const FingerprintMatch& match : found) EXPECT_LT(match.donor, 20u);
  index.add(150, long_text(1));
  EXPECT_EQ(index.search(long_text(1), 1).at(0).donor, 150u);
}

TEST(FingerprintIndex, CountsNoMoreThanEitherSideHas) {
  FingerprintIndex index;
  const Tokens phrase = long_text(8, 40);
  Tokens repeated;
  for (int time = 0; time < 20; ++time)
    repeated.insert(repeated.end(), phrase.begin(), phrase.end());
  index.add(1, repeated);
  index.add(2, phrase);

  for (const FingerprintMatch& match : index.search(phrase, 2)) EXPECT_LE(match.tokens, 40);
  const auto found = index.search(repeated, 2);
  EXPECT_EQ(found.at(0).donor, 1u);
  EXPECT_LE(found.at(1).tokens, 40);
}

TEST(FingerprintIndex, RefusesADonorTwice) {
  FingerprintIndex index;
  index.add(4, long_text(1));

  const Error error = error_of([&] { index.add(4, long_text(2)); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(), "fingerprint index: donor 4 is there already");
}

FingerprintIndex sample() {
  FingerprintIndex index;
  for (uint32_t donor = 0; donor < 50; ++donor)
    index.add(donor * 3, joined({long_text(1, 100), long_text(100 + donor, 60)}));
  return index;
}

TEST(FingerprintIndex, ComesBackFromItsBytes) {
  FingerprintIndex index = sample();
  index.remove(9);

  FingerprintIndex again = FingerprintIndex::from_bytes(index.to_bytes(), "x");

  EXPECT_EQ(again.to_bytes(), index.to_bytes());
  EXPECT_EQ(again.stats().donors, 49);
  for (uint64_t donor = 0; donor < 50; ++donor) {
    const Tokens query = joined({long_text(1, 100), long_text(100 + donor, 60)});
    EXPECT_EQ(again.search(query, 100), index.search(query, 100));
  }
  again.add(9, long_text(7));
  EXPECT_EQ(again.search(long_text(7), 1).at(0).donor, 9u);
}

TEST(FingerprintIndex, NoticesEveryTruncationAndFlippedByte) {
  const std::vector<std::byte> bytes = sample().to_bytes();
  for (size_t size = 0; size < bytes.size(); size += 7) {
    const Error error =
        error_of([&] { FingerprintIndex::from_bytes(std::span(bytes).first(size), "x.kvi"); });
    ASSERT_EQ(error.kind(), ErrorKind::format);
    ASSERT_EQ(std::string(error.what()).rfind("x.kvi: damaged: ", 0), 0u);
  }
  for (size_t at = 0; at < bytes.size(); at += 11) {
    std::vector<std::byte> flipped = bytes;
    flipped[at] ^= std::byte{4};
    const Error error = error_of([&] { FingerprintIndex::from_bytes(flipped, "x.kvi"); });
    ASSERT_STREQ(error.what(), "x.kvi: damaged: the checksum does not fit");
  }
}

}  // namespace
}  // namespace kvs
