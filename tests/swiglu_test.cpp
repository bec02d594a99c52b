#include <gtest/gtest.h>

#include <limits>

#include "support/device_test.h"
#include "support/errors.h"
#include "support/reference.h"

namespace kvs::test {
namespace {

class Swiglu : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(On, Swiglu, testing::ValuesIn(test_devices()), device_name);

TEST_P(Swiglu, MultipliesByTheSigmoidWeightedGate) {
  for (int64_t rows : {0, 1, 5, 65})
    for (int64_t dim : {1, 8, 17, 64, 65, 576, 1536}) {
      auto values = noise(rows * 2 * dim, 1);
      for (float& v : values) v *= 12;
      const Buffer gate_up = activations(values, {rows, 2 * dim}), out = poisoned({rows, dim});

      backend->swiglu(out.tensor(), gate_up.tensor());

      const auto from = on_host(gate_up), got = on_host(out);
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t i = 0; i < dim; ++i) {
          const double want =
              reference_silu(from[row * 2 * dim + i]) * from[(2 * row + 1) * dim + i];
          ASSERT_NEAR(got[row * dim + i], want, (1e-6 + rounding()) * std::abs(want) + 1e-7);
        }
    }
}

TEST_P(Swiglu, SurvivesLargeGates) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Buffer gate_up = activations({-1000, 1000, -89, 89, 0, nan, 1, 1, 1, 2, 2, 2}, {1, 12}),
               out = poisoned({1, 6});

  backend->swiglu(out.tensor(), gate_up.tensor());

  const auto got = on_host(out);
  EXPECT_EQ(got[0], 0);
  EXPECT_EQ(got[1], 1000);
  EXPECT_NEAR(got[2], 0, 1e-30);
  EXPECT_NEAR(got[3], 178, 178 * rounding());
  EXPECT_EQ(got[4], 0);
  EXPECT_TRUE(std::isnan(got[5]));
}

TEST_P(Swiglu, RoundsOnlyWhatItWritesForAMatrix) {
  for (int64_t dim : {8, 65, 576}) {
    const DType type = input_type(dim);
    const Buffer gate_up = activations(noise(5 * 2 * dim, 2), {5, 2 * dim});
    const Buffer wide = poisoned({5, dim}), narrow = poisoned(type, {5, dim});
    backend->swiglu(wide.tensor(), gate_up.tensor());

    backend->swiglu(narrow.tensor(), gate_up.tensor());

    EXPECT_EQ(on_host(narrow), narrowed_to(type, on_host(wide))) << dim;
  }
}

TEST_P(Swiglu, RefusesShapesThatDoNotFit) {
  const Buffer gate_up = poisoned({2, 9}), out = poisoned({2, 5});

  const Error e = error_of([&] { backend->swiglu(out.tensor(), gate_up.tensor()); });

  EXPECT_EQ(e.kind(), ErrorKind::mismatch);
  EXPECT_STREQ(e.what(), "swiglu: gate_up has shape [2, 9], expected [2, 10]");
}

}  // namespace
}  // namespace kvs::test
