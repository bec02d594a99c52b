#include "base/cpu_count.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace kvs {
namespace {

namespace fs = std::filesystem;

// A file system root with control-group files of our own.
class CpuCount : public testing::Test {
 protected:
  void SetUp() override {
    root = fs::path(testing::TempDir()) / ("cpu_count_" + std::to_string(getpid()));
    fs::create_directories(root);
    sched_getaffinity(0, sizeof(all), &all);
  }
  void TearDown() override {
    sched_setaffinity(0, sizeof(all), &all);
    fs::remove_all(root);
  }

  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((root / file).parent_path());
    std::ofstream(root / file) << text;
  }

  fs::path root;
  cpu_set_t all{};
};

TEST_F(CpuCount, IsTheAffinityWithoutQuota) {
  EXPECT_EQ(usable_cpus(root), CPU_COUNT(&all));
}

TEST_F(CpuCount, FollowsTheAffinity) {
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof(one), &one);

  EXPECT_EQ(usable_cpus(root), 1);
}

TEST_F(CpuCount, TakesTheSmallestQuotaOnTheWayUp) {
  write("proc/self/cgroup", "0::/jobs/mine\n");
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/jobs/cpu.max", "50000 100000\n");
  write("sys/fs/cgroup/jobs/mine/cpu.max", "max 100000\n");

  EXPECT_EQ(usable_cpus(root), 1);
}

TEST_F(CpuCount, RoundsAPartOfACpuUp) {
  write("sys/fs/cgroup/cpu.max", "110000 100000\n");

  EXPECT_EQ(usable_cpus(root), std::min(2, CPU_COUNT(&all)));
}

TEST_F(CpuCount, ReadsTheQuotaOfTheOldHierarchy) {
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");

  EXPECT_EQ(usable_cpus(root), 1);
}

TEST_F(CpuCount, IgnoresWhatIsNoQuota) {
  write("proc/self/cgroup", "garbage\n");
  write("sys/fs/cgroup/cpu.max", "-1 0\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");

  EXPECT_EQ(usable_cpus(root), CPU_COUNT(&all));
}

}  // namespace
}  // namespace kvs
