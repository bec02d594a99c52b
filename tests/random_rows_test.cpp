#include "kvs/random_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "support/device_test.h"

namespace kvs::test {
namespace {

class RandomRowsTest : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(On, RandomRowsTest, testing::ValuesIn(test_devices()), device_name);

TEST_P(RandomRowsTest, AreTheSameOnEveryDevice) {
  const RandomRows parts[] = {{.key = 1, .rows = 3, .limit = 0.5F},
                              {.key = ~uint64_t{0}, .rows = 0, .limit = 1},
                              {.key = uint64_t{77} << 40, .rows = 40, .limit = 0.0123F}};
  std::vector<int32_t> all(43);
  std::iota(all.begin(), all.end(), 0);
  for (const Compute compute : {Compute::bf16, Compute::f32})
    for (const int64_t cols : {1, 9, 64, 576}) {
      std::vector<float> want(all.size() * cols);
      generate_rows(parts[0], 0, 3, cols, want.data());
      generate_rows(parts[2], 0, 40, cols, want.data() + 3 * cols);
      if (compute == Compute::bf16)
        for (float& x : want) x = rounded_to_bf16(x);

      const auto matrix = backend->make_random_matrix(parts, cols, compute);

      const Buffer out = poisoned({43, cols});
      backend->embed(out.tensor(), *matrix, all);
      EXPECT_EQ(matrix->rows(), 43);
      EXPECT_EQ(on_host(out), want) << cols;
    }
}

TEST(RandomRowsOfTheHost, DependOnNothingButTheirPlace) {
  const RandomRows rows{.key = 9, .rows = 100, .limit = 2};
  std::vector<float> all(100 * 10), some(3 * 10);

  generate_rows(rows, 0, 100, 10, all.data());
  generate_rows(rows, 50, 3, 10, some.data());

  EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin() + 500));
  for (const float x : all) EXPECT_LE(std::abs(x), 2);
}

}  // namespace
}  // namespace kvs::test
