#include <gtest/gtest.h>

#include <limits>
#include <tuple>

#include "support/device_test.h"
#include "support/errors.h"
#include "support/reference.h"

namespace kvs::test {
namespace {

struct Extents {
  int64_t rows, n, k;
};

class Matmul : public DeviceTest {
 protected:
  static constexpr Compute kComputes[] = {Compute::bf16, Compute::f32};

  // Every result within `tolerance` times the sum of the magnitudes that make it up.
  void expect_product(const std::vector<float>& got, const std::vector<Expected>& want,
                      double tolerance, const Extents& e) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      const double allowed = tolerance * want[i].scale + rounding() * std::abs(want[i].value);
      ASSERT_LE(std::abs(got[i] - want[i].value), allowed)
          << "at " << i << " of " << e.rows << " x " << e.n << " x " << e.k;
    }
  }

  // Numbers that bf16 holds, as f32 or bf16.
  static std::vector<std::byte> bytes_in(DType type, const std::vector<float>& values) {
    const size_t wide = sizeof(float), kept = element_bytes(type);
    std::vector<std::byte> bytes(values.size() * kept);
    const auto* from = reinterpret_cast<const std::byte*>(values.data());
    for (size_t i = 0; i < values.size(); ++i)
      std::memcpy(&bytes[i * kept], from + (i + 1) * wide - kept, kept);
    return bytes;
  }

  std::vector<float> product(const Matrix& w, const std::vector<float>& x, const Extents& e) {
    Buffer out = poisoned({e.rows, e.n});
    backend->matmul(out.tensor(), activations(x, {e.rows, e.k}).tensor(), w);
    return on_host(out);
  }
};
INSTANTIATE_TEST_SUITE_P(On, Matmul, testing::ValuesIn(test_devices()), device_name);

TEST_P(Matmul, IsTheSumOfProducts) {
  for (const Compute compute : kComputes)
    for (int64_t rows : {0, 1, 2, 3, 5, 6, 7, 13, 65})
      for (auto [n, k] : {std::pair{1, 1}, {8, 17}, {17, 8}, {64, 65}, {65, 64}, {49, 1000}}) {
        const Extents e{rows, n, k};
        const auto x = bf16_noise(rows * k, 1), weights = bf16_noise(int64_t{n} * k, 2);
        const auto w = matrix(weights, n, k, compute);

        const auto got = product(*w, x, e);

        expect_product(got, reference_matmul(x, weights, rows, n, k), 1e-6, e);
      }
}

TEST_P(Matmul, IsRightAtTheShapesOfASmallModel) {
  for (const Compute compute : kComputes)
    for (auto [n, k] : {std::pair{960, 576}, {576, 1536}}) {
      const Extents e{7, n, k};
      const auto x = bf16_noise(e.rows * k, 3), weights = bf16_noise(int64_t{n} * k, 4);
      const auto w = matrix(weights, n, k, compute);

      const auto got = product(*w, x, e);

      expect_product(got, reference_matmul(x, weights, e.rows, n, k), 1e-6, e);
    }
}

TEST_P(Matmul, IsRightForManyRows) {
  for (const Compute compute : kComputes) {
    const Extents e{301, 200, 1030};
    const auto x = bf16_noise(e.rows * e.k, 3), weights = bf16_noise(e.n * e.k, 4);
    const auto w = matrix(weights, e.n, e.k, compute);

    const auto got = product(*w, x, e);

    expect_product(got, reference_matmul(x, weights, e.rows, e.n, e.k), 1e-6, e);
  }
}

TEST_P(Matmul, RoundsNothingInF32) {
  const Extents e{7, 33, 129};
  const auto x = noise(e.rows * e.k, 5), weights = noise(e.n * e.k, 6);
  const auto w = matrix(weights, e.n, e.k, Compute::f32);

  const auto got = product(*w, x, e);

  const double activation_error = backend->activation_type() == DType::f32 ? 0 : rounding();
  expect_product(got, reference_matmul(x, weights, e.rows, e.n, e.k), 1e-6 + activation_error, e);
}

TEST_P(Matmul, RoundsAtMostToBf16) {
  const Extents e{7, 33, 129};
  const auto x = noise(e.rows * e.k, 5), weights = noise(e.n * e.k, 6);
  auto rounded = weights;
  for (float& v : rounded) v = rounded_to_bf16(v);
  const auto w = matrix(weights, e.n, e.k, Compute::bf16);

  const auto got = product(*w, x, e);

  expect_product(got, reference_matmul(x, rounded, e.rows, e.n, e.k), 0x1p-8, e);
}

TEST_P(Matmul, AddsBiasAndWhatWasThere) {
  for (const Compute compute : kComputes)
    for (int64_t rows : {1, 7, 65, 200}) {
      const Extents e{rows, 33, 1030};
      const auto x = bf16_noise(rows * e.k, 7), weights = bf16_noise(e.n * e.k, 8);
      const auto bias = noise(e.n, 9), before = bf16_noise(rows * e.n, 10);
      const auto w = matrix(weights, e.n, e.k, compute);
      Buffer out = activations(before, {rows, e.n});

      backend->matmul(out.tensor(), activations(x, {rows, e.k}).tensor(), *w,
                      {.bias = floats(bias, {e.n}).tensor(), .accumulate = true});

      auto want = reference_matmul(x, weights, rows, e.n, e.k);
      for (size_t i = 0; i < want.size(); ++i) want[i].value += bias[i % e.n] + before[i];
      expect_product(on_host(out), want, 1e-6, e);
    }
}

TEST_P(Matmul, TakesRowsOfTheTypeThatTheMatrixAsksFor) {
  for (const Compute compute : kComputes)
    for (int64_t k : {8, 65, 576}) {
      const auto x = bf16_noise(7 * k, 16);
      const auto w = matrix(noise(40 * k, 17), 40, k, compute);
      const Buffer narrow(*backend, w->input_type(), {7, k}), out = poisoned({7, 40});
      const auto bytes = bytes_in(w->input_type(), x);
      backend->upload(narrow.tensor().data, bytes.data(), bytes.size());

      backend->matmul(out.tensor(), narrow.tensor(), *w);

      EXPECT_EQ(on_host(out), product(*w, x, {7, 40, k})) << k;
    }
}

TEST_P(Matmul, RefusesRowsOfAnotherType) {
  const auto w = matrix(std::vector<float>(5 * 8), 5, 8, Compute::f32);
  const Buffer out = poisoned({2, 5}), x(*backend, DType::f16, {2, 8});

  const Error e = error_of([&] { backend->matmul(out.tensor(), x.tensor(), *w); });

  EXPECT_STREQ(e.what(), "matmul: x has type f16, expected f32");
}

TEST_P(Matmul, KeepsInfinityAndNanInTheirRows) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const Compute compute : kComputes) {
    const auto w = matrix(std::vector<float>(40 * 17, 1), 40, 17, compute);
    std::vector<float> x(3 * 17, 1);
    x[5] = inf;
    x[17 + 16] = std::numeric_limits<float>::quiet_NaN();

    const auto got = product(*w, x, {3, 40, 17});

    for (int column = 0; column < 40; ++column) {
      EXPECT_EQ(got[column], inf);
      EXPECT_TRUE(std::isnan(got[40 + column]));
      EXPECT_EQ(got[80 + column], 17);
    }
  }
}

TEST_P(Matmul, GivesARowTheSameBitsInEveryBatch) {
  if (!on_cpu()) GTEST_SKIP() << "promised by the CPU only";
  for (const Compute compute : kComputes)
    for (bool accumulate : {false, true}) {
      const Extents e{131, 75, 1537};
      const auto x = noise(e.rows * e.k, 11), weights = noise(e.n * e.k, 12);
      const auto bias = noise(e.n, 13);
      const auto w = matrix(weights, e.n, e.k, compute);
      const Buffer all = activations(x, {e.rows, e.k}), b = floats(bias, {e.n});
      Buffer whole = floats(std::vector<float>(e.rows * e.n, 0.3F), {e.rows, e.n});
      backend->matmul(whole.tensor(), all.tensor(), *w,
                      {.bias = b.tensor(), .accumulate = accumulate});
      const auto want = on_host(whole);

      for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 32, 100}) {
        Buffer part = floats(std::vector<float>(rows * e.n, 0.3F), {rows, e.n});
        backend->matmul(part.tensor(), all.tensor().rows(131 - rows, rows), *w,
                        {.bias = b.tensor(), .accumulate = accumulate});

        const auto got = on_host(part);
        const auto offset = static_cast<size_t>(131 - rows) * e.n;
        ASSERT_EQ(0, std::memcmp(got.data(), want.data() + offset, got.size() * 4)) << rows;
      }
    }
}

TEST_P(Matmul, GivesTheSameBitsOnAnyNumberOfThreads) {
  if (!on_cpu()) GTEST_SKIP() << "promised by the CPU only";
  for (const Compute compute : kComputes) {
    const Extents e{130, 130, 700};
    const auto x = noise(e.rows * e.k, 14), weights = noise(e.n * e.k, 15);
    const auto want = product(*matrix(weights, e.n, e.k, compute), x, e);

    for (int threads : {1, 2, 5}) {
      BackendOptions options = GetParam().options;
      options.threads = threads;
      backend = make_backend(options);

      const auto got = product(*matrix(weights, e.n, e.k, compute), x, e);

      ASSERT_EQ(0, std::memcmp(got.data(), want.data(), got.size() * 4)) << threads;
    }
  }
}

TEST_P(Matmul, DoesNothingForAnEmptyMatrixOrBatch) {
  const auto none = matrix({}, 0, 8, Compute::bf16);
  Buffer out = poisoned({3, 0});

  backend->matmul(out.tensor(), activations(std::vector<float>(24), {3, 8}).tensor(), *none);

  EXPECT_EQ(none->rows(), 0);
  EXPECT_EQ(on_host(out).size(), 0);
}

TEST_P(Matmul, PassesOnTheErrorOfAReader) {
  const RowReader broken = [](int64_t first, int64_t, float*) {
    fail(ErrorKind::io, "rows from {}: gone", first);
  };

  const Error e = error_of([&] { backend->make_matrix(8, 8, broken, Compute::bf16); });

  EXPECT_EQ(e.kind(), ErrorKind::io);
  EXPECT_STREQ(e.what(), "rows from 0: gone");
}

TEST_P(Matmul, RefusesShapesThatDoNotFit) {
  const auto w = matrix(std::vector<float>(5 * 8), 5, 8, Compute::f32);
  const auto refusal = [&](const Shape& out, const Shape& x, const Shape& bias) {
    const Buffer o = poisoned(out), in = poisoned(x), b = floats({}, bias);
    return std::string(error_of([&] {
                         backend->matmul(o.tensor(), in.tensor(), *w, {.bias = b.tensor()});
                       }).what());
  };

  EXPECT_EQ(refusal({2, 5}, {2, 7}, {5}), "matmul: x has shape [2, 7], expected [2, 8]");
  EXPECT_EQ(refusal({2, 4}, {2, 8}, {5}), "matmul: out has shape [2, 4], expected [2, 5]");
  EXPECT_EQ(refusal({3, 5}, {2, 8}, {5}), "matmul: out has shape [3, 5], expected [2, 5]");
  EXPECT_EQ(refusal({2, 5}, {2, 8}, {4}), "matmul: bias has shape [4], expected [5]");
  EXPECT_EQ(refusal({2, 5}, {16}, {5}), "matmul: x has shape [16], expected 2 extents");
}

}  // namespace
}  // namespace kvs::test
