#pragma once

#include <filesystem>

#include "kvs/export.h"

namespace kvs {

/// How many threads this process can run at once: the CPUs it may use (affinity), fewer where its
/// control group's quota is smaller. At least 1. `root` is where the file system starts.
/// Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
/// scheduler/sched-bwc.rst (cpu.cfs_quota_us).
KVS_API int usable_cpus(const std::filesystem::path& root = "/");

}  // namespace kvs
