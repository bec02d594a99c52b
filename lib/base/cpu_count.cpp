#include "base/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

namespace kvs {
namespace {

namespace fs = std::filesystem;

int affinity_cpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));  // over 1024 CPUs
}

// "max 100000" says no limit; no file says the same.
std::optional<double> quota_of(const fs::path& cpu_max) {
  std::ifstream file(cpu_max);
  double quota = 0, period = 0;
  if (!(file >> quota >> period) || quota <= 0 || period <= 0) return {};
  return quota / period;
}

std::optional<double> old_quota_of(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return {};
  return quota / period;
}

// The process's control group of version 2: the line "0::/path".
fs::path control_group(const fs::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("0::/")) return line.substr(4);
  return {};
}

}  // namespace

int usable_cpus(const fs::path& root) {
  double cpus = affinity_cpus();
  const fs::path mount = root / "sys/fs/cgroup";
  if (const auto quota = old_quota_of(mount / "cpu")) cpus = std::min(cpus, *quota);

  // Every group above limits, too.
  for (fs::path group = control_group(root);; group = group.parent_path()) {
    if (const auto quota = quota_of(mount / group / "cpu.max")) cpus = std::min(cpus, *quota);
    if (group.empty() || group == group.parent_path()) break;
  }
  return std::max(1, static_cast<int>(std::ceil(cpus)));
}

}  // namespace kvs
