#include <gtest/gtest.h>

#include "support/device_test.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

class AnyBackend : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(On, AnyBackend, testing::ValuesIn(test_devices()), device_name);

TEST_P(AnyBackend, KeepsWhatIsUploaded) {
  const auto values = noise(1000, 1);
  const Buffer buffer = floats(values, {1000});

  EXPECT_EQ(on_host(buffer), values);
}

TEST_P(AnyBackend, AlignsMemoryAndAllocatesNothingToo) {
  for (size_t bytes : {0, 1, 1000, 5 << 20}) {
    void* memory = backend->allocate(bytes);

    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 256, 0) << bytes;

    backend->upload(memory, nullptr, 0);
    backend->release(memory);
  }
  backend->release(nullptr);
}

TEST_P(AnyBackend, ZeroesMemory) {
  const Buffer buffer = floats(noise(65, 2), {65});

  backend->zero(buffer.tensor().data, 64 * sizeof(float));

  const auto got = on_host(buffer);
  for (int i = 0; i < 64; ++i) ASSERT_EQ(got[i], 0);
  EXPECT_EQ(got[64], noise(65, 2)[64]);
}

TEST_P(AnyBackend, MeasuresItsLimits) {
  if (std::string_view(GetParam().name) == "cuda_emulated")
    GTEST_SKIP() << "an emulated device has no speed";
  const MachineLimits limits = backend->measure_limits(Compute::bf16);

  EXPECT_GT(limits.gemm_gflops, 0.5);
  EXPECT_GT(limits.read_gb_per_s, 0.1);
  EXPECT_LT(limits.gemm_gflops, 1e7);
  EXPECT_LT(limits.read_gb_per_s, 1e5);
}

TEST_P(AnyBackend, SaysMatrixExtentsAndBytes) {
  const auto bf16 = matrix(noise(17 * 9, 1), 17, 9, Compute::bf16);
  const auto f32 = matrix(noise(17 * 9, 1), 17, 9, Compute::f32);

  EXPECT_EQ(bf16->rows(), 17);
  EXPECT_EQ(bf16->cols(), 9);
  EXPECT_GE(bf16->bytes(), 17U * 9 * 2);
  EXPECT_GE(f32->bytes(), 17U * 9 * 4);
}

TEST_P(AnyBackend, RefusesMatricesThatCannotBe) {
  const RowReader never = [](int64_t, int64_t, float*) { FAIL() << "read"; };

  const Error e = error_of([&] { backend->make_matrix(-1, 8, never, Compute::f32); });

  EXPECT_STREQ(e.what(), "make_matrix: a matrix cannot have -1 rows and 8 columns");
  EXPECT_EQ(error_of([&] { backend->make_matrix(8, 0, never, Compute::f32); }).kind(),
            ErrorKind::mismatch);
  EXPECT_EQ(error_of([&] {
              backend->make_matrix(int64_t{1} << 40, int64_t{1} << 40, never, Compute::f32);
            }).kind(),
            ErrorKind::mismatch);
}

}  // namespace
}  // namespace kvs::test
