#include "backend/check_shape.h"
#include "backend/cpu_backend.h"
#include "backend/cpu_batch_plan.h"

namespace kvs {

std::unique_ptr<BatchPlan> CpuBackend::plan_batch(const BatchLayout& layout,
                                                  const AttentionConfig& config) {
  return std::make_unique<CpuBatchPlan>(layout, config, pool_.size());
}

void CpuBackend::write_kv(Tensor qkv, const BatchPlan& plan, int layer) {
  const CpuBatchPlan& own = cpu_plan("write_kv", plan, qkv, layer);
  const AttentionConfig& config = own.config();
  const int64_t key_width = config.kv.kv_heads * int64_t{config.kv.head_dim};
  cpu::KvWrite write = own.kv_write(layer);
  write.keys = static_cast<const float*>(qkv.data) + config.heads * int64_t{config.kv.head_dim};
  write.values = write.keys + key_width;
  pool_.parallel_ranges(own.rows(), 2 * key_width,
                        [&](int64_t begin, int64_t end) { kernels_.write_kv(write, begin, end); });
}

void CpuBackend::attention(Tensor out, Tensor qkv, const BatchPlan& plan, int layer) {
  const CpuBatchPlan& own = cpu_plan("attention", plan, qkv, layer);
  const AttentionConfig& config = own.config();
  expect_shape("attention", "out", out, {own.rows(), config.heads * int64_t{config.kv.head_dim}});
  expect_type("attention", "out", out, DType::f32);

  cpu::AttentionCall call = own.attention_call(layer);
  call.qkv = static_cast<const float*>(qkv.data);
  call.out = static_cast<float*>(out.data);
  const auto& tasks = own.tasks().tasks;
  const auto& merges = own.tasks().merges;
  pool_.parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index, int thread) {
    kernels_.attention(call, tasks[static_cast<size_t>(index)], own.scratch(thread));
  });
  pool_.parallel_for(static_cast<int64_t>(merges.size()), [&](int64_t index, int thread) {
    kernels_.merge_partials(call, merges[static_cast<size_t>(index)], own.scratch(thread));
  });
}

}  // namespace kvs
