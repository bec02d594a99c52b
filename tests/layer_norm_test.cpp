#include <gtest/gtest.h>

#include "support/device_test.h"
#include "support/errors.h"
#include "support/reference.h"

namespace kvs::test {
namespace {

constexpr float kLayerNormEps = 1e-12F;

class LayerNorm : public DeviceTest {
 protected:
  // `from` is what the device was given, after rounding to its type.
  void expect_normed(const float* got, const float* from, const std::vector<float>& weight,
                     const std::vector<float>& bias) {
    const auto want = reference_layer_norm(from, weight, bias, kLayerNormEps);
    for (size_t i = 0; i < weight.size(); ++i)
      ASSERT_NEAR(got[i], want[i], 4e-6 + rounding() * std::abs(want[i])) << "at " << i;
  }
};
INSTANTIATE_TEST_SUITE_P(On, LayerNorm, testing::ValuesIn(test_devices()), device_name);

TEST_P(LayerNorm, CentresAndDividesByTheDeviation) {
  for (int64_t rows : {0, 1, 5, 65, 300})
    for (int64_t dim : {8, 17, 64, 65, 384, 1023}) {
      const auto weight = noise(dim, 2), bias = noise(dim, 3);
      const Buffer x = activations(noise(rows * dim, 1), {rows, dim});
      const Buffer w = floats(weight, {dim}), b = floats(bias, {dim}), out = poisoned({rows, dim});

      backend->layer_norm(out.tensor(), x.tensor(), w.tensor(), b.tensor(), kLayerNormEps);

      const auto from = on_host(x), got = on_host(out);
      for (int64_t row = 0; row < rows; ++row)
        expect_normed(got.data() + row * dim, from.data() + row * dim, weight, bias);
    }
}

TEST_P(LayerNorm, MayWriteOverItsInputAndBearsALargeMean) {
  auto values = noise(3 * 65, 4);
  for (float& value : values) value += 100;  // squares of such values would cancel
  const auto weight = noise(65, 5), bias = noise(65, 6);
  const Buffer x = activations(values, {3, 65}), w = floats(weight, {65}), b = floats(bias, {65});
  const auto from = on_host(x);

  backend->layer_norm(x.tensor(), x.tensor(), w.tensor(), b.tensor(), kLayerNormEps);

  const auto got = on_host(x);
  for (int row = 0; row < 3; ++row) {
    const auto want = reference_layer_norm(&from[row * 65], weight, bias, kLayerNormEps);
    for (int i = 0; i < 65; ++i)
      ASSERT_NEAR(got[row * 65 + i], want[i], 1e-4 + rounding() * std::abs(want[i]));
  }
}

TEST_P(LayerNorm, RefusesShapesThatDoNotFit) {
  const auto refusal = [&](const Shape& out, const Shape& x, const Shape& weight,
                           const Shape& bias) {
    const Buffer o = poisoned(out), in = poisoned(x), w = floats({}, weight), b = floats({}, bias);
    const Error e = error_of([&] {
      backend->layer_norm(o.tensor(), in.tensor(), w.tensor(), b.tensor(), kLayerNormEps);
    });
    EXPECT_EQ(e.kind(), ErrorKind::mismatch);
    return std::string(e.what());
  };

  EXPECT_EQ(refusal({2, 65}, {2, 65}, {64}, {65}),
            "layer_norm: weight has shape [64], expected [65]");
  EXPECT_EQ(refusal({2, 65}, {2, 65}, {65}, {1}), "layer_norm: bias has shape [1], expected [65]");
  EXPECT_EQ(refusal({3, 65}, {2, 65}, {65}, {65}),
            "layer_norm: out has shape [3, 65], expected [2, 65]");
}

}  // namespace
}  // namespace kvs::test
