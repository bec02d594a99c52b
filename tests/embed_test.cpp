#include <gtest/gtest.h>

#include "support/device_test.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

class Embed : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(On, Embed, testing::ValuesIn(test_devices()), device_name);

TEST_P(Embed, CopiesTheTokensRows) {
  for (const Compute compute : {Compute::bf16, Compute::f32})
    for (int64_t dim : {1, 8, 17, 65, 576}) {
      const int64_t vocab = 37;
      const auto values = bf16_noise(vocab * dim, 1);
      const auto table = matrix(values, vocab, dim, compute);
      const std::vector<int32_t> tokens{0, 36, 16, 15, 16, 31, 32};
      const Buffer out = poisoned({7, dim});

      backend->embed(out.tensor(), *table, tokens);

      const auto got = on_host(out);
      for (size_t row = 0; row < tokens.size(); ++row)
        for (int64_t i = 0; i < dim; ++i)
          ASSERT_NEAR(got[row * dim + i], values[tokens[row] * dim + i], rounding()) << row;
    }
}

TEST_P(Embed, RoundsWeightsToTheNearestBf16) {
  const auto values = noise(3 * 65, 2);
  const auto table = matrix(values, 3, 65, Compute::bf16);
  const Buffer out = poisoned({1, 65});

  backend->embed(out.tensor(), *table, std::vector<int32_t>{1});

  const auto got = on_host(out);
  for (int i = 0; i < 65; ++i)
    ASSERT_NEAR(got[i], rounded_to_bf16(values[65 + i]), rounding() / 4) << i;
}

TEST_P(Embed, DoesNothingForNoTokens) {
  const auto table = matrix(noise(24, 3), 3, 8, Compute::f32);
  const Buffer out = poisoned({0, 8});

  backend->embed(out.tensor(), *table, {});

  EXPECT_EQ(on_host(out).size(), 0);
}

TEST_P(Embed, RefusesTokensOutsideTheTable) {
  const auto table = matrix(noise(24, 3), 3, 8, Compute::f32);
  const Buffer out = poisoned({1, 8});
  const auto refusal = [&](int32_t token) {
    const Error e =
        error_of([&] { backend->embed(out.tensor(), *table, std::vector<int32_t>{token}); });
    EXPECT_EQ(e.kind(), ErrorKind::mismatch);
    return std::string(e.what());
  };

  EXPECT_EQ(refusal(3), "embed: token 3 is not in a table of 3 rows");
  EXPECT_EQ(refusal(-1), "embed: token -1 is not in a table of 3 rows");
}

TEST_P(Embed, RefusesShapesThatDoNotFit) {
  const auto table = matrix(noise(24, 3), 3, 8, Compute::f32);
  const Buffer out = poisoned({2, 8});

  const Error e = error_of([&] {
    backend->embed(out.tensor(), *table, std::vector<int32_t>{1, 1, 1});
  });

  EXPECT_STREQ(e.what(), "embed: out has shape [2, 8], expected [3, 8]");
}

TEST_P(Embed, GathersRows) {
  const Buffer x = activations(noise(5 * 65, 4), {5, 65}), out = poisoned({4, 65});
  const std::vector<int32_t> rows{4, 0, 2, 2};

  backend->gather_rows(out.tensor(), x.tensor(), rows);

  const auto from = on_host(x), got = on_host(out);
  for (int row = 0; row < 4; ++row)
    for (int i = 0; i < 65; ++i) ASSERT_EQ(got[row * 65 + i], from[rows[row] * 65 + i]);
}

TEST_P(Embed, RefusesRowsThatAreNotThere) {
  const Buffer x = poisoned({5, 8}), out = poisoned({1, 8});
  const auto refusal = [&](int32_t row) {
    return std::string(error_of([&] {
                         backend->gather_rows(out.tensor(), x.tensor(), std::vector<int32_t>{row});
                       }).what());
  };

  EXPECT_EQ(refusal(5), "gather_rows: row 5 is not in a tensor of 5 rows");
  EXPECT_EQ(refusal(-2), "gather_rows: row -2 is not in a tensor of 5 rows");
}

}  // namespace
}  // namespace kvs::test
