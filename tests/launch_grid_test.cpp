#include "kernels/cuda/launch_grid.h"

#include <gtest/gtest.h>

// Launches of the largest shapes that models have, on machines without a device.
namespace kvs::test {
namespace {

using cuda::Grid;

constexpr int64_t kRows = 512;         // of a pass
constexpr int64_t kContext = 1 << 20;  // tokens
constexpr int kHeads = 128, kLayers = 126;
constexpr int64_t kVocab = 262'144;

void expect_launchable(const Grid& grid) {
  EXPECT_GT(int64_t{grid.x} * grid.y * grid.z, 0);
  EXPECT_LE(grid.x, cuda::kMostGridX);
  EXPECT_LE(grid.y, cuda::kMostGridYZ);
  EXPECT_LE(grid.z, cuda::kMostGridYZ);
}

TEST(LaunchGrid, IsOneThatDevicesTakeForTheLargestShapes) {
  expect_launchable(cuda::task_grid(kRows * kHeads * 132, kHeads));
  expect_launchable(cuda::vector_grid(kContext, int64_t{2} * kHeads * kLayers));
  expect_launchable(cuda::mass_grid(kRows, kHeads, kContext / cuda::kTileKeys));
  expect_launchable(cuda::mass_grid(kRows * kHeads, 1, kContext / 4));  // segments of four keys
  expect_launchable(cuda::top_logits_grid(kVocab, kRows));
}

TEST(LaunchGrid, CoversEverythingOnce) {
  for (const int64_t count : {1, 3, 4, 5, 63, 64, 65, 2047, 2048, 2049}) {
    const Grid vectors = cuda::vector_grid(7, count), mass = cuda::mass_grid(count, 3, count);
    const Grid top = cuda::top_logits_grid(count, 5);
    const auto covers = [&](int64_t blocks, int64_t of_one) {
      return blocks * of_one >= count && (blocks - 1) * of_one < count;
    };
    EXPECT_EQ(vectors.x, 7U);
    EXPECT_TRUE(covers(vectors.y, cuda::kVectorWarps)) << count;
    EXPECT_TRUE(covers(mass.x, cuda::kRowPairs)) << count;
    EXPECT_EQ(mass.y, 3U);
    EXPECT_TRUE(covers(mass.z, cuda::kMassTiles)) << count;
    EXPECT_TRUE(covers(top.x, cuda::kTopBlock)) << count;
    EXPECT_EQ(top.y, 5U);
  }
}

TEST(LaunchGrid, LeavesWhatIsTooMuchToBeRefused) {
  EXPECT_GT(cuda::task_grid(int64_t{1} << 32, 1).x, cuda::kMostGridX);  // not 0
  EXPECT_GT(cuda::vector_grid(1, int64_t{1} << 40).y, cuda::kMostGridYZ);
}

}  // namespace
}  // namespace kvs::test
