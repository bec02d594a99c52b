#include <string_view>

#include "backend/check_shape.h"
#include "backend/cpu_backend.h"
#include "backend/cpu_batch_plan.h"

namespace kvs {
namespace {

/// The plan of a CPU, for a `qkv` and a layer that fit it.
const CpuBatchPlan& cpu_plan(std::string_view op, const BatchPlan& plan, const Tensor& qkv,
                             int layer) {
  const auto* own = dynamic_cast<const CpuBatchPlan*>(&plan);
  if (!own) fail(ErrorKind::mismatch, "{}: the batch was planned by another backend", op);
  const KvLayout& kv = own->config().kv;
  if (layer < 0 || layer >= kv.layers) {
    fail(ErrorKind::mismatch, "{}: layer {} is not in a cache of {}", op, layer, kv.layers);
  }
  const int64_t width = (own->config().heads + 2 * kv.kv_heads) * int64_t{kv.head_dim};
  expect_shape(op, "qkv", qkv, {own->rows(), width});
  expect_type(op, "qkv", qkv, DType::f32);
  return *own;
}

}  // namespace

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
