#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "support/attention_device_test.h"
#include "support/errors.h"
#include "support/reference_attention.h"

namespace kvs::test {
namespace {

class AttentionMass : public AttentionDeviceTest {
 protected:
  void expect_reference(const AttentionScene& scene, const std::vector<int32_t>& rows) {
    const std::vector<float> got = run_attention_mass(scene.batch(), rows);
    const std::vector<double> want = reference_attention_mass(scene.batch(), rows);
    ASSERT_EQ(got.size(), want.size());
    double worst = 0;
    for (size_t p = 0; p < got.size(); ++p) {
      const double error = std::abs(got[p] - 1 - want[p]);  // run_attention_mass() adds to 1
      worst = error <= worst ? worst : error;               // NaN becomes the worst
    }
    EXPECT_LE(worst, 2e-5 + rounding());
  }
};
INSTANTIATE_TEST_SUITE_P(On, AttentionMass, testing::ValuesIn(test_devices()), device_name);

TEST_P(AttentionMass, MatchesTheDefinition) {
  size_t turn = run_seed();  // which type meets which shape
  for (const int head_dim : kHeadDims) {
    for (const int group : kGroups) {
      const DType type = std::array{DType::f16, DType::bf16, DType::f32, DType::q8}[turn++ % 4];
      SCOPED_TRACE(testing::Message()
                   << dtype_name(type) << ", " << head_dim << ", group " << group);
      AttentionScene scene(
          {.heads = 2 * group, .head_dim = head_dim, .type = type, .cut_seed = run_seed()});
      scene.add({.length = 67, .rows = positions_from(0, 67)}, 1);
      scene.add({.length = 190, .rows = {3, 64, 65, 127, 189}, .shifts = {0, 5, -3}}, 2);
      scene.add({.length = 1, .rows = {0}}, 3);

      expect_reference(scene, {66});
      expect_reference(scene, {67, 69, 71});
      expect_reference(scene, {67, 68, 69, 70});
      expect_reference(scene, {72});
    }
  }
}

TEST_P(AttentionMass, AddsUpMoreRowsThanOnePassHolds) {
  AttentionScene scene({.heads = 6, .head_dim = 32});
  scene.add({.length = 200, .rows = positions_from(130, 70), .shifts = {0, 9}, .longest_run = 5},
            1);
  std::vector<int32_t> rows(70);
  std::iota(rows.begin(), rows.end(), 0);

  expect_reference(scene, rows);
}

TEST_P(AttentionMass, HonoursTheWindow) {
  for (const int window : {1, 63, 64, 100}) {
    AttentionScene scene({.heads = 4, .head_dim = 16, .window = window});
    scene.add({.length = 300, .rows = {5, 150, 299}, .shifts = {0, 9}}, 5);

    expect_reference(scene, {0, 1, 2});
  }
}

TEST_P(AttentionMass, IsTheSameForAnyNumberOfThreads) {
  AttentionScene scene({.heads = 9, .kv_heads = 3, .head_dim = 64});
  scene.add({.length = 2049, .rows = {700, 2048}, .shifts = {0, 3}}, 1);
  use_threads(1);
  const std::vector<float> expected = run_attention_mass(scene.batch(), {0, 1});

  use_threads(5);
  const std::vector<float> got = run_attention_mass(scene.batch(), {0, 1});

  EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0);
}

TEST_P(AttentionMass, DoesNothingForNoRows) {
  AttentionScene scene({});
  scene.add({.length = 5, .rows = {4}}, 1);

  EXPECT_EQ(run_attention_mass(scene.batch(), {}), std::vector<float>{1.0F});
}

TEST_P(AttentionMass, SaysWhatDoesNotFit) {
  AttentionScene scene({});
  scene.add({.length = 3, .rows = {1, 2}}, 1);
  scene.add({.length = 3, .rows = {1}}, 2);
  const auto plan = backend->plan_batch(scene.batch().layout, scene.batch().config);
  const Buffer qkv = poisoned({3, 48}), mass = floats({0, 0, 0}, {3}), few = floats({0, 0}, {2});

  const auto message = [&](const Buffer& to, std::vector<int32_t> rows) -> std::string {
    return error_of([&] { backend->attention_mass(to.tensor(), qkv.tensor(), *plan, 1, rows); })
        .what();
  };

  EXPECT_EQ(message(mass, {3}), "attention_mass: row 3 of a batch of 3 does not ascend");
  EXPECT_EQ(message(mass, {1, 0}), "attention_mass: row 0 of a batch of 3 does not ascend");
  EXPECT_EQ(message(mass, {1, 2}), "attention_mass: rows 1 and 2 are not of one sequence");
  EXPECT_EQ(message(few, {1}), "attention_mass: mass has 2 elements, its rows see 3 positions");
}

}  // namespace
}  // namespace kvs::test
