#include <gtest/gtest.h>

#include <limits>

#include "support/device_test.h"
#include "support/errors.h"
#include "support/reference.h"

namespace kvs::test {
namespace {

class Gelu : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(On, Gelu, testing::ValuesIn(test_devices()), device_name);

TEST_P(Gelu, WeighsByTheNormalDistribution) {
  for (int64_t rows : {0, 1, 5, 65})
    for (int64_t dim : {1, 8, 17, 65, 1536}) {
      auto values = noise(rows * dim, 1);
      for (float& value : values) value *= 6;
      const Buffer x = activations(values, {rows, dim}), out = poisoned({rows, dim});

      backend->gelu(out.tensor(), x.tensor());

      const auto from = on_host(x), got = on_host(out);
      for (size_t i = 0; i < from.size(); ++i) {
        const double want = reference_gelu(from[i]);
        ASSERT_NEAR(got[i], want, 4e-7 * std::abs(from[i]) + rounding() * std::abs(want));
      }
    }
}

TEST_P(Gelu, MayWriteOverItsInputAndSurvivesLargeValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const Buffer x = activations({-1000, 1000, 0, nan, -infinity, infinity, 1, -1, -20, 20}, {1, 10});

  backend->gelu(x.tensor(), x.tensor());

  const auto got = on_host(x);
  EXPECT_EQ(got[0], 0);
  EXPECT_EQ(got[1], 1000);
  EXPECT_EQ(got[2], 0);
  EXPECT_TRUE(std::isnan(got[3]));
  EXPECT_EQ(got[4], 0);
  EXPECT_EQ(got[5], infinity);
  EXPECT_NEAR(got[6], 0.8413447, 4e-7 + rounding());
  EXPECT_NEAR(got[7], -0.1586553, 4e-7 + rounding());
  EXPECT_NEAR(got[8], 0, 1e-30);
  EXPECT_EQ(got[9], 20);
}

TEST_P(Gelu, RefusesShapesThatDoNotFit) {
  const Buffer x = poisoned({2, 9}), out = poisoned({2, 5});

  const Error e = error_of([&] { backend->gelu(out.tensor(), x.tensor()); });

  EXPECT_EQ(e.kind(), ErrorKind::mismatch);
  EXPECT_STREQ(e.what(), "gelu: out has shape [2, 5], expected [2, 9]");
}

}  // namespace
}  // namespace kvs::test
