#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "support/device_test.h"
#include "support/errors.h"
#include "support/reference.h"

namespace kvs::test {
namespace {

constexpr float kRmsNormEps = 1e-5F;

class RmsNorm : public DeviceTest {
 protected:
  double tolerance() const { return 1e-6 + rounding(); }

  // `from` is what the device was given, after rounding to its type.
  void expect_normed(const float* got, const float* from, const std::vector<float>& weight) {
    const auto want = reference_rms_norm(from, weight, kRmsNormEps);
    for (size_t i = 0; i < weight.size(); ++i)
      ASSERT_NEAR(got[i], want[i], tolerance() * (std::abs(want[i]) + 1e-3)) << "at " << i;
  }
};
INSTANTIATE_TEST_SUITE_P(On, RmsNorm, testing::ValuesIn(test_devices()), device_name);

TEST_P(RmsNorm, DividesByTheRootOfTheMeanSquare) {
  for (int64_t rows : {0, 1, 5, 13, 65, 700})
    for (int64_t dim : {1, 8, 17, 64, 65, 576, 1536}) {
      const auto weight = noise(dim, 2);
      const Buffer x = activations(noise(rows * dim, 1), {rows, dim});
      const Buffer w = floats(weight, {dim}), out = poisoned({rows, dim});

      backend->rms_norm(out.tensor(), x.tensor(), w.tensor(), kRmsNormEps);

      const auto from = on_host(x), got = on_host(out);
      for (int64_t row = 0; row < rows; ++row)
        expect_normed(got.data() + row * dim, from.data() + row * dim, weight);
    }
}

TEST_P(RmsNorm, MayWriteOverItsInput) {
  const auto weight = noise(65, 4);
  const Buffer x = activations(noise(5 * 65, 3), {5, 65}), w = floats(weight, {65});
  const auto from = on_host(x);

  backend->rms_norm(x.tensor(), x.tensor(), w.tensor(), kRmsNormEps);

  const auto got = on_host(x);
  for (int row = 0; row < 5; ++row)
    expect_normed(got.data() + row * 65, from.data() + row * 65, weight);
}

TEST_P(RmsNorm, RoundsOnlyWhatItWritesForAMatrix) {
  for (int64_t dim : {8, 65, 576}) {
    const DType type = input_type(dim);
    const Buffer x = activations(noise(5 * dim, 5), {5, dim}), w = floats(noise(dim, 6), {dim});
    const Buffer wide = poisoned({5, dim}), narrow = poisoned(type, {5, dim});
    backend->rms_norm(wide.tensor(), x.tensor(), w.tensor(), kRmsNormEps);

    backend->rms_norm(narrow.tensor(), x.tensor(), w.tensor(), kRmsNormEps);

    EXPECT_EQ(on_host(narrow), narrowed_to(type, on_host(wide))) << dim;
  }
}

TEST_P(RmsNorm, KeepsAZeroRowZeroAndANanInItsRow) {
  std::vector<float> x(3 * 17, 1);
  std::fill_n(x.begin(), 17, 0.0F);
  x[17 + 3] = std::numeric_limits<float>::quiet_NaN();
  const Buffer in = activations(x, {3, 17}), w = floats(std::vector<float>(17, 1), {17});
  const Buffer out = poisoned({3, 17});

  backend->rms_norm(out.tensor(), in.tensor(), w.tensor(), kRmsNormEps);

  const auto got = on_host(out);
  for (int i = 0; i < 17; ++i) {
    EXPECT_EQ(got[i], 0);
    EXPECT_TRUE(std::isnan(got[17 + i]));
    EXPECT_NEAR(got[34 + i], 1, 1e-5 + rounding());
  }
}

TEST_P(RmsNorm, GivesARowTheSameBitsInEveryBatch) {
  if (!on_cpu()) GTEST_SKIP() << "promised by the CPU only";
  const Buffer x = activations(noise(300 * 577, 5), {300, 577}), w = floats(noise(577, 6), {577});
  const Buffer whole = poisoned({300, 577}), one = poisoned({1, 577});
  backend->rms_norm(whole.tensor(), x.tensor(), w.tensor(), kRmsNormEps);
  const auto want = on_host(whole);

  for (int row : {0, 1, 17, 299}) {
    backend->rms_norm(one.tensor(), x.tensor().rows(row, 1), w.tensor(), kRmsNormEps);

    EXPECT_EQ(0, std::memcmp(on_host(one).data(), want.data() + row * 577, 577 * 4)) << row;
  }
}

TEST_P(RmsNorm, RefusesShapesThatDoNotFit) {
  const auto refusal = [&](const Shape& out, const Shape& x, const Shape& weight) {
    const Buffer o = poisoned(out), in = poisoned(x), w = floats({}, weight);
    const Error e =
        error_of([&] { backend->rms_norm(o.tensor(), in.tensor(), w.tensor(), kRmsNormEps); });
    EXPECT_EQ(e.kind(), ErrorKind::mismatch);
    return std::string(e.what());
  };

  EXPECT_EQ(refusal({2, 65}, {2, 65}, {64}), "rms_norm: weight has shape [64], expected [65]");
  EXPECT_EQ(refusal({3, 65}, {2, 65}, {65}), "rms_norm: out has shape [3, 65], expected [2, 65]");
  EXPECT_EQ(refusal({65}, {65}, {65}), "rms_norm: x has shape [65], expected 2 extents");
}

TEST_P(RmsNorm, RefusesAnotherType) {
  const Buffer x = poisoned({2, 8}), out = poisoned({2, 8}), w(*backend, DType::q8, {8});

  const Error e =
      error_of([&] { backend->rms_norm(out.tensor(), x.tensor(), w.tensor(), kRmsNormEps); });

  EXPECT_STREQ(e.what(), "rms_norm: weight has type q8, expected f32");
}

TEST_P(RmsNorm, NormsHeadsWhereTheyLie) {
  for (auto [heads, dim] : {std::pair{1, 1}, {9, 64}, {3, 17}, {2, 128}}) {
    const int64_t first = 5, width = first + heads * dim + 3, rows = 13;
    const auto weight = noise(dim, 8);
    const Buffer x = activations(noise(rows * width, 7), {rows, width}), w = floats(weight, {dim});
    const auto from = on_host(x);

    backend->head_norm(x.tensor(), first, heads, w.tensor(), kRmsNormEps);

    const auto got = on_host(x);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t start = row * width, begin = start + first, end = begin + heads * dim;
      for (int head = 0; head < heads; ++head)
        expect_normed(&got[begin + head * dim], &from[begin + head * dim], weight);
      for (int64_t i = start; i < begin; ++i) ASSERT_EQ(got[i], from[i]);
      for (int64_t i = end; i < start + width; ++i) ASSERT_EQ(got[i], from[i]);
    }
  }
}

TEST_P(RmsNorm, RefusesHeadsBeyondTheRow) {
  const Buffer x = poisoned({2, 100}), w = floats(std::vector<float>(32), {32});
  const auto refusal = [&](int64_t first, int64_t heads) {
    return std::string(error_of([&] {
                         backend->head_norm(x.tensor(), first, heads, w.tensor(), kRmsNormEps);
                       }).what());
  };

  EXPECT_EQ(refusal(5, 3), "head_norm: 3 heads of 32 from element 5 exceed rows of 100");
  EXPECT_EQ(refusal(-1, 1), "head_norm: 1 heads of 32 from element -1 exceed rows of 100");
  EXPECT_EQ(refusal(0, int64_t{1} << 62),
            "head_norm: 4611686018427387904 heads of 32 from element 0 exceed rows of 100");
}

}  // namespace
}  // namespace kvs::test
