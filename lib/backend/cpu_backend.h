#pragma once

#include <memory>
#include <string>

#include "backend/cpu_matrix.h"
#include "backend/cpu_memory.h"
#include "base/thread_pool.h"
#include "kernels/cpu/kernels.h"
#include "kvs/backend.h"

namespace kvs {

/// The CPU: kernels of one level on a pool of threads. Operations are done when they return.
class CpuBackend final : public Backend {
 public:
  CpuBackend(const cpu::Kernels& kernels, int threads) : kernels_(kernels), pool_(threads) {}

  std::string_view name() const override { return "cpu"; }
  std::string description() const override;
  DType activation_type() const override { return DType::f32; }

  void* allocate(size_t bytes) override { return allocate_cpu(bytes); }
  void release(void* memory) noexcept override { FreeCpu{}(memory); }
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  void zero(void* device, size_t bytes) override;
  void synchronize() override {}

  std::unique_ptr<Matrix> make_matrix(int64_t rows, int64_t cols, const RowReader& read,
                                      Compute compute) override;
  std::unique_ptr<Matrix> make_random_matrix(std::span<const RandomRows> parts, int64_t cols,
                                             Compute compute) override;
  void embed(Tensor out, const Matrix& table, std::span<const int32_t> tokens) override;
  void matmul(Tensor out, Tensor x, const Matrix& w, const MatmulOptions& options) override;

  void rms_norm(Tensor out, Tensor x, Tensor weight, float eps) override;
  void head_norm(Tensor x, int64_t first, int64_t heads, Tensor weight, float eps) override;
  void swiglu(Tensor out, Tensor gate_up) override;
  void gather_rows(Tensor out, Tensor x, std::span<const int32_t> rows) override;

  std::unique_ptr<BatchPlan> plan_batch(const BatchLayout& layout,
                                        const AttentionConfig& config) override;
  void write_kv(Tensor qkv, const BatchPlan& plan, int layer) override;
  void attention(Tensor out, Tensor qkv, const BatchPlan& plan, int layer) override;

  void attention_mass(Tensor mass, Tensor qkv, const BatchPlan& plan, int layer,
                      std::span<const int32_t> rows) override;
  void kv_deviation(Tensor out, std::span<const KvPair> pairs, const AttentionConfig& config,
                    int layer) override;
  void layer_norm(Tensor out, Tensor x, Tensor weight, Tensor bias, float eps) override;
  void gelu(Tensor out, Tensor x) override;

  void move_kv(std::span<const KvMove> moves, const AttentionConfig& config) override;
  void pack_kv(void* record, std::span<const KvRun> runs, const KvLayout& layout) override;
  void unpack_kv(std::span<const KvRun> runs, std::span<const std::byte* const> parts,
                 const KvLayout& layout, const HostMemory& memory) override;
  void top_logits(std::span<TopLogit> top, Tensor logits, std::span<const LogitPlace> apart,
                  std::span<float> values) override;

  MachineLimits measure_limits(Compute compute) override;

 private:
  void run_matmul(cpu::MatmulTask task, Compute compute);

  const cpu::Kernels& kernels_;
  ThreadPool pool_;
  Scratch rounded_, partial_;  // of matmul: activations as pairs of bf16, sums
  Scratch mass_, mass_work_;   // of attention_mass: sums by task, working memory by thread
};

/// Threads as in BackendOptions. Throws Error(argument) for an unknown level and Error(device) for
/// one that this CPU lacks.
std::unique_ptr<Backend> make_cpu_backend(const std::string& level, int threads);

}  // namespace kvs
