#include <gtest/gtest.h>

#include <vector>

#include "support/attention_device_test.h"

// Steps that come again and again: what is recorded once must be right for other values.
namespace kvs::test {
namespace {

class Steps : public AttentionDeviceTest {
 protected:
  void SetUp() override {
    AttentionDeviceTest::SetUp();
    if (!backend) return;
    steps = backend->make_step_runner();
    if (!steps) GTEST_SKIP() << "this device records nothing";
  }

  std::unique_ptr<StepRunner> steps;
};
INSTANTIATE_TEST_SUITE_P(On, Steps, testing::ValuesIn(test_devices()), device_name);

// Tasks of both kernels and merges, which become more and fewer with what the rows see.
TEST_P(Steps, AttendAsTheirOperationsDoOneByOne) {
  const Buffer qkv = poisoned({13, 8 * 64}), out = poisoned({13, 4 * 64});
  for (const int32_t length : {70, 90, 1500, 300, 1400, 64}) {
    AttentionScene scene({.heads = 4, .head_dim = 64, .seed = static_cast<uint32_t>(length)});
    scene.add({.length = length, .rows = {length - 1}, .shifts = {0, length % 9}}, 1);
    scene.add({.length = length + 40, .rows = positions_from(length / 2, 12)}, 2);

    const auto got = run_step(*steps, scene.batch(), qkv, out);

    EXPECT_EQ(got, run_attention(scene.batch())) << length;
  }
}

TEST_P(Steps, AreRightForMoreShapesThanAreKept) {
  const Buffer x = poisoned({40, 8}), out = poisoned({40, 8}), want = poisoned({40, 8});
  for (uint32_t round = 0; round < 3; ++round)
    for (int64_t rows = 1; rows <= 40; ++rows) {
      const auto values = noise(rows * 8, 100 * round + static_cast<uint32_t>(rows));
      backend->upload(x.tensor().data, values.data(), values.size() * sizeof(float));
      const Tensor some = x.tensor().rows(0, rows);
      backend->gelu(want.tensor().rows(0, rows), some);

      steps->run({rows}, [&] { backend->gelu(out.tensor().rows(0, rows), some); });

      ASSERT_EQ(on_host(out.tensor().rows(0, rows)), on_host(want.tensor().rows(0, rows)));
    }
}

}  // namespace
}  // namespace kvs::test
