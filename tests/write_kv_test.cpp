#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "support/attention_device_test.h"
#include "support/reference_attention.h"

namespace kvs::test {
namespace {

class WriteKv : public AttentionDeviceTest {};
INSTANTIATE_TEST_SUITE_P(On, WriteKv, testing::ValuesIn(test_devices()), device_name);

/// The largest distance of two rows, in units of `unit` of each element and of the whole row.
double distance(const std::vector<double>& got, const std::vector<double>& want, double relative,
                double absolute) {
  double worst = 0;
  for (size_t d = 0; d < want.size(); ++d) {
    const double error = std::abs(got[d] - want[d]);
    const double ratio = error / (relative * std::abs(want[d]) + absolute);
    worst = ratio <= worst ? worst : ratio;  // NaN becomes the worst
  }
  return worst;
}

/// Half a unit of the last place of a type, and what rotation in f32 adds.
double worst_row(const SceneBatch& batch, const BatchRow& row, const float* qkv) {
  const KvLayout& kv = batch.config.kv;
  const bool q8 = kv.type == DType::q8;
  const double unit = kv.type == DType::f32 ? 0 : kv.type == DType::f16 ? 0x1p-11 : 0x1p-8;
  double worst = 0;
  for (int head = 0; head < kv.kv_heads; ++head) {
    const float* key = qkv + batch.width() + head * kv.head_dim;
    const float* value = key + kv.kv_heads * kv.head_dim;
    const auto want_key = rotated(key, row.position, batch.config.inverse_frequencies);
    const std::vector<double> want_value(value, value + kv.head_dim);
    for (const bool is_key : {true, false}) {
      const auto& want = is_key ? want_key : want_value;
      const auto got = is_key ? cached_key(kv, row.block, row.slot, head)
                              : cached_value(kv, row.block, row.slot, head);
      const double absolute = 1e-6 + (q8 ? largest(want) / 254 : 0);
      worst = std::max(worst, distance(got, want, q8 ? 0 : unit, absolute));
    }
  }
  return worst;
}

TEST_P(WriteKv, StoresRotatedKeysAndValuesInEveryType) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q8}) {
    for (const int head_dim : {8, 24, 64, 80, 128}) {
      AttentionScene scene({.heads = 6, .kv_heads = 3, .head_dim = head_dim, .type = type});
      scene.add({.length = 70, .rows = positions_from(0, 70)}, 1);
      scene.add({.length = 5001, .rows = {7, 4000, 5000}}, 2);
      const SceneBatch& batch = scene.batch();

      run_write_kv(batch);

      for (size_t t = 0; t < batch.layout.rows.size(); ++t) {
        EXPECT_LE(worst_row(batch, batch.layout.rows[t], batch.qkv.data() + t * batch.qkv_width()),
                  1)
            << dtype_name(type) << ", head_dim " << head_dim << ", row " << t;
      }
    }
  }
}

TEST_P(WriteKv, StoresEveryShapeAndAnyNumberOfRows) {
  size_t turn = run_seed();
  for (const int head_dim : kHeadDims) {
    for (const int group : kGroups) {
      const DType type = std::array{DType::f32, DType::f16, DType::bf16, DType::q8}[turn++ % 4];
      const int32_t rows = std::array{1, 7, 0, 65, 64, 13}[turn % 6];
      const int kv_heads = std::array{3, 1, 8}[turn % 3];
      AttentionScene scene({.heads = kv_heads * group,
                            .kv_heads = kv_heads,
                            .head_dim = head_dim,
                            .type = type,
                            .cut_seed = run_seed()});
      scene.add({.length = 70, .rows = positions_from(70 - rows, rows)}, 1);
      const SceneBatch& batch = scene.batch();

      run_write_kv(batch);

      for (int32_t t = 0; t < rows; ++t)
        EXPECT_LE(worst_row(batch, batch.layout.rows[t], batch.qkv.data() + t * batch.qkv_width()),
                  1)
            << dtype_name(type) << ", head_dim " << head_dim << ", " << kv_heads << " times "
            << group << " heads, row " << t << " of " << rows;
    }
  }
}

/// One head of eight elements, one row at position 0, where nothing rotates.
struct OneRow {
  SceneBatch batch;
  std::vector<std::byte> block;

  OneRow(DType type, const std::vector<float>& key, const std::vector<float>& value) {
    batch.config.heads = 1;
    batch.config.kv = {2, 1, 8, type};
    batch.config.inverse_frequencies = {1, 0.5, 0.25, 0.125};
    block.resize(batch.config.kv.block_bytes(), std::byte{0xFF});
    batch.layout.sequences = {{{{block.data(), 9, 1, 0, 0}}}};
    batch.layout.rows = {{0, 0, block.data(), 9}};
    batch.qkv.resize(8);
    batch.qkv.insert(batch.qkv.end(), key.begin(), key.end());
    batch.qkv.insert(batch.qkv.end(), value.begin(), value.end());
  }
};

using Doubles = std::vector<double>;

TEST_P(WriteKv, RoundsTiesToEven) {
  const float step16 = 0x1p-10F, step_b = 0x1p-7F;  // of f16 and bf16 between 1 and 2
  for (const auto& [type, step] : {std::pair{DType::f16, step16}, std::pair{DType::bf16, step_b}}) {
    const float half = step / 2, more = half * 1.01F;
    const std::vector<float> x{1 + half, 1 + 3 * half,     -1 - half, -1 - 3 * half,
                               1 + more, 1 + half * 0.99F, 1,         0};
    OneRow row(type, x, x);

    run_write_kv(row.batch);

    const double s = step;
    const Doubles want{1, 1 + 2 * s, -1, -1 - 2 * s, 1 + s, 1, 1, 0};
    EXPECT_EQ(cached_key(row.batch.config.kv, row.block.data(), 9, 0), want) << dtype_name(type);
    EXPECT_EQ(cached_value(row.batch.config.kv, row.block.data(), 9, 0), want) << dtype_name(type);
  }
}

TEST_P(WriteKv, ScalesQ8ByTheLargestElement) {
  OneRow row(DType::q8, {254, -254, 1, 3, 5, -3, 127, 0}, {0, 0, 0, 0, 0, 0, 0, 0});

  run_write_kv(row.batch);

  EXPECT_EQ(cached_key(row.batch.config.kv, row.block.data(), 9, 0),
            (Doubles{254, -254, 0, 4, 4, -4, 128, 0}));
  EXPECT_EQ(cached_value(row.batch.config.kv, row.block.data(), 9, 0), Doubles(8, 0));
}

TEST_P(WriteKv, TouchesNothingElse) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q8}) {
    const std::vector<float> zeros(8);
    OneRow row(type, zeros, zeros);
    const KvLayout& kv = row.batch.config.kv;

    run_write_kv(row.batch);

    const auto written = std::count(row.block.begin(), row.block.end(), std::byte{0});
    EXPECT_EQ(static_cast<size_t>(written), 2 * (kv.row_bytes() + (type == DType::q8 ? 4U : 0U)));
  }
}

TEST_P(WriteKv, LeavesOutRowsWithoutABlock) {
  OneRow row(DType::f16, {1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 3, 4, 5, 6, 7, 8});
  row.batch.layout.rows[0].block = nullptr;

  run_write_kv(row.batch);

  const auto untouched = std::count(row.block.begin(), row.block.end(), std::byte{0xFF});
  EXPECT_EQ(static_cast<size_t>(untouched), row.block.size());
}

}  // namespace
}  // namespace kvs::test
