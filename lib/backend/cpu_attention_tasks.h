#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu_memory.h"
#include "kernels/cpu/attention.h"

namespace kvs {

/// The work of attention in a batch, for any layer.
struct AttentionTasks {
  std::vector<cpu::AttentionTask> tasks;   ///< the longest first
  std::vector<cpu::AttentionTask> merges;  ///< to be merged once all tasks are done
  CpuMemory partials;  ///< floats: results on their way from the tasks to the merges
};

/// Divides tasks among threads: those that are long compared with a thread's share are cut by
/// chunks of positions. What comes out of a task does not depend on it. `positions`: of all rows;
/// `group`: query heads per KV head.
AttentionTasks divide_tasks(const std::vector<cpu::AttentionTask>& whole,
                            std::span<const int32_t> positions, int group, int head_dim,
                            int threads);

}  // namespace kvs
