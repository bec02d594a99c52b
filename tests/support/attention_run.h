#pragma once

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "backend/cpu_batch_plan.h"
#include "kernels/cpu/kernels.h"
#include "support/attention_scene.h"

namespace kvs::test {

/// Writes the keys and values of the batch to its blocks.
inline void run_write_kv(const cpu::Kernels& kernels, const SceneBatch& batch) {
  const CpuBatchPlan plan(batch.layout, batch.config, 1);
  cpu::KvWrite write = plan.kv_write(AttentionScene::kLayer);
  write.keys = batch.qkv.data() + batch.width();
  write.values = write.keys + batch.config.kv.kv_heads * batch.config.kv.head_dim;
  kernels.write_kv(write, 0, plan.rows());
}

/// Writes keys and values, then attends: tasks in random order, as `threads` threads might
/// take them; results hold NaN before. [T, H D]
inline std::vector<float> run_attention(const cpu::Kernels& kernels, const SceneBatch& batch,
                                        int threads = 1) {
  run_write_kv(kernels, batch);
  const CpuBatchPlan plan(batch.layout, batch.config, threads);
  std::vector<float> out(batch.layout.rows.size() * batch.width(),
                         std::numeric_limits<float>::quiet_NaN());
  cpu::AttentionCall call = plan.attention_call(AttentionScene::kLayer);
  call.qkv = batch.qkv.data();
  call.out = out.data();
  std::vector<cpu::AttentionTask> tasks = plan.tasks().tasks;
  std::shuffle(tasks.begin(), tasks.end(), std::mt19937(7));
  int turn = 0;
  for (const cpu::AttentionTask& task : tasks) {
    kernels.attention(call, task, plan.scratch(turn++ % threads));
  }
  for (const cpu::AttentionTask& task : plan.tasks().merges) {
    kernels.merge_partials(call, task, plan.scratch(turn++ % threads));
  }
  return out;
}

}  // namespace kvs::test
