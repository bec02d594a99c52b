#pragma once

#include <string_view>
#include <vector>

#include "backend/cuda_loads.h"
#include "backend/cuda_memory.h"
#include "backend/cuda_tables.h"
#include "kvs/backend.h"

namespace kvs {

class CudaStep;

/// A BatchLayout on a CUDA device: its tables, brought there by one copy, and the angles of every
/// row and shift, computed there in double. It serves all layers.
class CudaBatchPlan final : public BatchPlan {
 public:
  /// In memory of its own, or of the step that it is part of. `awaited`: the last load whose rows
  /// it reads.
  CudaBatchPlan(const CudaTables& tables, const AttentionConfig& config, CudaMemory& memory,
                CudaStep* step, CudaLoads::Number awaited);

  /// Where its tables are to be copied, and what.
  std::byte* data() const { return data_; }
  const std::vector<std::byte>& tables() const { return packed_.bytes(); }
  /// Once they are there, before any kernel of a layer.
  cudaError_t make_angles(cudaStream_t stream) const;

  const AttentionConfig& config() const { return config_; }
  CudaLoads::Number awaited() const { return awaited_; }
  int64_t rows() const { return static_cast<int64_t>(positions_.size()); }
  int32_t position(int32_t row) const { return positions_[static_cast<size_t>(row)]; }
  /// The sequence that rows [first, last] are of; null where they are not of one.
  const CudaTables::Sequence* find_sequence(int32_t first, int32_t last) const;

  /// What the kernels of one layer take.
  cuda::BatchView view(int layer) const;
  cudaError_t attention(cuda::Result out, const float* qkv, int layer, cudaStream_t stream) const;

 private:
  AttentionConfig config_;
  std::vector<int32_t> positions_;
  std::vector<CudaTables::Sequence> sequences_;
  PackedArrays packed_;
  CudaLoads::Number awaited_;
  CudaBuffer memory_;
  std::byte* data_ = nullptr;
  cuda::BatchView view_{};
  float* angles_ = nullptr;  ///< of the rows, then of the shifts
  const double* frequencies_ = nullptr;
  const int32_t* shifts_ = nullptr;
  const cuda::AttentionTask* row_tasks_ = nullptr;
  const cuda::AttentionTask* tile_tasks_ = nullptr;
  const cuda::AttentionMerge* merges_ = nullptr;
  int64_t shift_count_, row_task_count_, tile_task_count_, merge_count_;
};

/// CUDA's plan, for a `qkv` and a layer that fit it. Throws Error(mismatch) where they do not.
const CudaBatchPlan& cuda_plan(std::string_view op, const BatchPlan& plan, const Tensor& qkv,
                               int layer);

}  // namespace kvs
