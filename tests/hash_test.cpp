#include "kvs/hash.h"

#include <gtest/gtest.h>

namespace kvs::test {
namespace {

// Reference values: xxhash.xxh3_128_hexdigest of the Python package.
TEST(Hash, EqualsTheReference) {
  EXPECT_EQ(to_hex(hash_bytes("", 0)), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(to_hex(hash_bytes("abc", 3)), "06b05ab6733a618578af5f94892f3950");
}

TEST(Hash, OfPiecesEqualsThatOfTheWhole) {
  const std::string text(1000, 'x');
  Hasher hasher;

  for (size_t i = 0; i < text.size(); i += 100) hasher.add(std::string_view(text).substr(i, 100));

  EXPECT_EQ(hasher.digest(), hash_bytes(text.data(), text.size()));
}

TEST(Hash, StartsAgainAfterReset) {
  Hasher hasher;
  hasher.add("something").reset();

  EXPECT_EQ(hasher.add("abc").digest(), hash_bytes("abc", 3));
}

TEST(Hash, RoundTripsThroughHexadecimalAndBytes) {
  const Hash128 hash{0x0123456789abcdef, 0xfedcba9876543210};

  EXPECT_EQ(to_hex(hash), "0123456789abcdeffedcba9876543210");
  EXPECT_EQ(parse_hash(to_hex(hash)), hash);
  EXPECT_EQ(hash_from_bytes(to_bytes(hash)), hash);
  EXPECT_EQ(to_bytes(hash)[0], std::byte{0x01});
}

TEST(Hash, RefusesWhatIsNotHexadecimal) {
  EXPECT_EQ(parse_hash(""), std::nullopt);
  EXPECT_EQ(parse_hash("0123456789abcdeffedcba987654321"), std::nullopt);
  EXPECT_EQ(parse_hash("0123456789abcdeffedcba987654321g"), std::nullopt);
  EXPECT_EQ(parse_hash("-123456789abcdeffedcba9876543210"), std::nullopt);
}

}  // namespace
}  // namespace kvs::test
