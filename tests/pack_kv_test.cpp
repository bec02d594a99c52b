#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "support/device_test.h"
#include "support/errors.h"

namespace kvs::test {
namespace {

using Bytes = std::vector<std::byte>;

Bytes random_bytes(size_t count, unsigned seed) {
  std::mt19937 random(run_seed() + seed);
  Bytes bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

/// Rows in blocks of random bytes, and what a record of them is by definition.
struct Rows {
  KvLayout kv;
  std::vector<Bytes> blocks;
  struct Run {
    size_t block;
    int32_t first, count;
  };
  std::vector<Run> runs;

  int64_t count() const {
    int64_t rows = 0;
    for (const Run& run : runs) rows += run.count;
    return rows;
  }

  /// The parts, each from head to head and row to row.
  std::vector<Bytes> parts() const {
    std::vector<Bytes> parts;
    for (int layer = 0; layer < kv.layers; ++layer) {
      parts.push_back(part(kv.key_offset(layer, 0), kv.head_bytes(), kv.row_bytes()));
      parts.push_back(part(kv.value_offset(layer, 0), kv.head_bytes(), kv.row_bytes()));
      if (kv.type != DType::q8) continue;
      parts.push_back(part(kv.key_scale_offset(layer, 0), kv.head_scale_bytes(), 4));
      parts.push_back(part(kv.value_scale_offset(layer, 0), kv.head_scale_bytes(), 4));
    }
    return parts;
  }

 private:
  Bytes part(size_t start, size_t head_bytes, size_t row_bytes) const {
    Bytes bytes;
    for (int head = 0; head < kv.kv_heads; ++head)
      for (const Run& run : runs) {
        const auto first =
            blocks[run.block].begin() + start + head * head_bytes + run.first * row_bytes;
        bytes.insert(bytes.end(), first, first + run.count * row_bytes);
      }
    return bytes;
  }
};

std::vector<Rows> all_shapes() {
  std::vector<Rows> shapes;
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q8})
    for (const int head_dim : {8, 16, 24, 32, 64, 80, 96, 128})
      for (const int kv_heads : {1, 3, 8}) {
        Rows rows{.kv = {3, kv_heads, head_dim, type}, .blocks = {}, .runs = {}};
        for (unsigned seed = 0; seed < 3; ++seed)
          rows.blocks.push_back(random_bytes(rows.kv.block_bytes(), seed + head_dim));
        rows.runs = {{1, 63, 1}, {0, 0, 64}, {2, 7, 30}, {1, 2, 5}};
        if (kv_heads == 1) rows.runs = {{0, 5, 1}};
        shapes.push_back(rows);
      }
  return shapes;
}

class PackKv : public DeviceTest {
 protected:
  /// The blocks on the device.
  std::vector<Buffer> upload(const Rows& rows, const std::vector<Bytes>& blocks) {
    std::vector<Buffer> buffers;
    for (const Bytes& block : blocks) {
      buffers.emplace_back(*backend, DType::q8, Shape{static_cast<int64_t>(block.size())});
      backend->upload(buffers.back().tensor().data, block.data(), block.size());
    }
    EXPECT_EQ(buffers.size(), rows.blocks.size());
    return buffers;
  }
  static std::vector<KvRun> runs_in(const Rows& rows, const std::vector<Buffer>& blocks) {
    std::vector<KvRun> runs;
    for (const Rows::Run& run : rows.runs)
      runs.push_back({blocks[run.block].tensor().data, run.first, run.count, 0, 0});
    return runs;
  }
};
INSTANTIATE_TEST_SUITE_P(On, PackKv, testing::ValuesIn(test_devices()), device_name);

TEST_P(PackKv, MakesTheRecordOfAnArchive) {
  for (const Rows& rows : all_shapes()) {
    SCOPED_TRACE(testing::Message() << dtype_name(rows.kv.type) << ", " << rows.kv.head_dim);
    const std::vector<Buffer> blocks = upload(rows, rows.blocks);
    Bytes record(rows.count() * rows.kv.token_bytes(), std::byte{0xFF});

    backend->pack_kv(record.data(), runs_in(rows, blocks), rows.kv);

    Bytes want;
    for (const Bytes& part : rows.parts()) want.insert(want.end(), part.begin(), part.end());
    ASSERT_TRUE(record == want);
  }
}

TEST_P(PackKv, BringsARecordBackAndTouchesNothingElse) {
  for (const Rows& rows : all_shapes()) {
    SCOPED_TRACE(testing::Message() << dtype_name(rows.kv.type) << ", " << rows.kv.head_dim);
    const std::vector<Bytes> parts = rows.parts();
    std::vector<const std::byte*> pointers;
    for (const Bytes& part : parts) pointers.push_back(part.data());
    Rows got = rows;
    for (Bytes& block : got.blocks) std::fill(block.begin(), block.end(), std::byte{0x5A});
    const std::vector<Buffer> blocks = upload(got, got.blocks);

    backend->unpack_kv(runs_in(rows, blocks), pointers, rows.kv, nullptr);

    int64_t untouched = 0;
    for (size_t i = 0; i < got.blocks.size(); ++i) {
      Bytes& block = got.blocks[i];
      backend->download(block.data(), blocks[i].tensor().data, block.size());
      untouched += std::count(block.begin(), block.end(), std::byte{0x5A});
    }
    ASSERT_TRUE(got.parts() == parts);
    const auto all = static_cast<int64_t>(3 * rows.kv.block_bytes());
    EXPECT_GE(untouched, all - rows.count() * static_cast<int64_t>(rows.kv.token_bytes()));
  }
}

TEST_P(PackKv, SaysWhatDoesNotFit) {
  const KvLayout kv{1, 1, 8, DType::q8};
  Bytes block(kv.block_bytes()), record(kv.token_bytes());
  const KvRun beyond[] = {{block.data(), 64, 1, 0, 0}}, fits[] = {{block.data(), 0, 1, 0, 0}};
  const std::byte* const two[] = {record.data(), record.data()};

  EXPECT_STREQ(error_of([&] { backend->pack_kv(record.data(), beyond, kv); }).what(),
               "pack_kv: rows [64, 64 + 1) of a block of 64");
  EXPECT_STREQ(error_of([&] { backend->unpack_kv(fits, two, kv, nullptr); }).what(),
               "unpack_kv: expected 4 parts, found 2");
  backend->pack_kv(nullptr, {}, kv);
}

}  // namespace
}  // namespace kvs::test
