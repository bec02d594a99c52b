#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "backend/cuda_batch_plan.h"
#include "backend/cuda_gemm.h"
#include "backend/cuda_host_memory.h"
#include "backend/cuda_loads.h"
#include "backend/cuda_matrix.h"
#include "backend/cuda_memory.h"
#include "backend/cuda_step.h"
#include "base/thread_pool.h"
#include "kvs/backend.h"
#include "kvs/device_memory.h"

namespace kvs {

/// What an operation that may write bf16 writes to: f32 unless `out` is bf16.
inline DType result_type(const Tensor& out) {
  return out.type == DType::bf16 ? DType::bf16 : DType::f32;
}
inline cuda::Result result(const Tensor& out) {
  return {out.data, out.type == DType::bf16};
}

/// One CUDA device. Everything is queued on one stream, but for rows that are loaded; activations
/// are f32, but bf16 where they meet bf16 weights.
class CudaBackend final : public Backend, public HasDeviceMemory {
 public:
  using Note = std::function<void(std::string_view reason)>;
  /// `note`: told what it does without. Throws Error(device) where the device is absent or too old.
  CudaBackend(int device, Note note);
  ~CudaBackend() override;

  std::string_view name() const override { return "cuda"; }
  std::string description() const override { return description_; }
  DType activation_type() const override { return DType::f32; }

  void* allocate(size_t bytes) override;
  void release(void* memory) noexcept override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  void zero(void* device, size_t bytes) override;
  void synchronize() override;
  DeviceMemory device_memory() override;

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
  HostMemory host_memory(size_t bytes) override { return host_memory_.allocate(bytes); }
  void top_logits(std::span<TopLogit> top, Tensor logits, std::span<const LogitPlace> apart,
                  std::span<float> values) override;

  MachineLimits measure_limits(Compute compute) override;

  std::unique_ptr<StepRunner> make_step_runner() override;
  /// Queues a step: its values, then its launches, which are recorded when they come again.
  void run_step(CudaStep& step, const std::function<void()>& queue_all);

 private:
  /// Of a step. Outside of steps everything is queued as it comes.
  enum class Phase { all, values, launches };

  /// While it lives, operations are those of a step.
  class InStep {
   public:
    InStep(CudaBackend& backend, CudaStep& step) : backend_(backend) { backend.step_ = &step; }
    InStep(const InStep&) = delete;
    InStep& operator=(const InStep&) = delete;
    ~InStep() {
      backend_.step_ = nullptr;
      backend_.phase_ = Phase::all;
    }

   private:
    CudaBackend& backend_;
  };

  /// Makes the device the current one of this thread, and its stream ready for a launch.
  cudaStream_t use();
  /// Queues a launch, unless only the values of a step are wanted.
  template <typename Launch>
  void queue(std::string_view operation, const Launch& launch) {
    if (phase_ == Phase::values) return;
    queued(launch(use()), operation);
    if (step_) step_->add_launch(operation);
  }
  /// Throws where a launch failed; remembers it, since its kernel may fail later.
  void queued(cudaError_t status, std::string_view operation);
  void record(CudaStep& step, const std::function<void()>& queue_launches);

  /// Memory that an operation works in: `own`, or a piece of the step.
  std::byte* room(CudaBuffer& own, size_t bytes);
  /// Lets what is queued from here on wait for rows that are loaded into a piece of memory.
  void await_rows(const void* memory, size_t bytes) noexcept;
  /// The last load into what the rows of a batch see.
  CudaLoads::Number last_load(const BatchLayout& layout) const;

  /// Queues a copy of values, unless only the launches of a step are wanted.
  void send(std::byte* device, const void* host, size_t bytes);
  const int32_t* upload_indices(std::span<const int32_t> indices);
  /// The rows of `x` as the product with the matrix takes them.
  const void* factors(const Tensor& x, const CudaMatrix& matrix);
  double gemm_gflops(bool bf16);
  double read_gigabytes_per_second();
  template <typename Work>
  double median_seconds(Work work);

  int device_;
  int multiprocessors_;
  std::string description_;
  CudaHandle<cudaStream_t> stream_;
  CudaMemory memory_;
  CudaStaging staging_;
  CudaHostMemory host_memory_;
  CudaLoads loads_;
  CudaGemm gemm_;
  ThreadPool pool_;  ///< for reading weights
  CudaBuffer rounded_, indices_, work_;
  std::string last_queued_ = "nothing";
  Note note_;
  bool records_ = true;  ///< until that fails
  CudaStep* step_ = nullptr;
  Phase phase_ = Phase::all;
};

}  // namespace kvs
