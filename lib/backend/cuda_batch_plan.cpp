#include "backend/cuda_batch_plan.h"

#include "backend/check_shape.h"
#include "backend/cuda_step.h"
#include "kernels/cuda/kernels.h"

namespace kvs {

CudaBatchPlan::CudaBatchPlan(const CudaTables& tables, const AttentionConfig& config,
                             CudaMemory& memory, CudaStep* step, CudaLoads::Number awaited)
    : config_(config),
      positions_(tables.positions),
      sequences_(tables.sequences),
      awaited_(awaited),
      shift_count_(static_cast<int64_t>(tables.shifts.size())),
      row_task_count_(static_cast<int64_t>(tables.row_tasks.size())),
      tile_task_count_(static_cast<int64_t>(tables.tile_tasks.size())),
      merge_count_(static_cast<int64_t>(tables.merges.size())) {
  const size_t positions = packed_.add(tables.positions), places = packed_.add(tables.places);
  const size_t shifts = packed_.add(tables.shifts), pieces = packed_.add(tables.pieces);
  const size_t tiles = packed_.add(tables.tiles), row_tasks = packed_.add(tables.row_tasks);
  const size_t tile_tasks = packed_.add(tables.tile_tasks), merges = packed_.add(tables.merges);
  const size_t frequencies = packed_.add(config.inverse_frequencies);

  const KvLayout& kv = config.kv;
  const size_t packed_bytes = (packed_.bytes().size() + 15) / 16 * 16;
  const int64_t row_floats = rows() * kv.head_dim, shift_floats = shift_count_ * kv.head_dim;
  const int64_t partial_floats =
      tables.partials * kv.kv_heads * (kv.head_dim + cuda::kPartialExtras);
  const int64_t floats = row_floats + shift_floats + partial_floats;
  const size_t bytes = packed_bytes + static_cast<size_t>(floats) * sizeof(float);
  if (!step) memory_ = CudaBuffer(memory, bytes);
  data_ = step ? step->next_piece(bytes) : memory_.data();
  std::byte* base = data_;
  angles_ = reinterpret_cast<float*>(base + packed_bytes);

  view_ = {.positions = reinterpret_cast<const int32_t*>(base + positions),
           .places = reinterpret_cast<const cuda::KvPlace*>(base + places),
           .row_angles = angles_,
           .shift_angles = angles_ + row_floats,
           .pieces = reinterpret_cast<const cuda::KvPiece*>(base + pieces),
           .tiles = reinterpret_cast<const cuda::KvTile*>(base + tiles),
           .partials = angles_ + row_floats + shift_floats,
           .rows = rows(),
           .heads = config.heads,
           .kv_heads = kv.kv_heads,
           .head_dim = kv.head_dim,
           .window = config.window,
           .scale = config.scale};
  row_tasks_ = reinterpret_cast<const cuda::AttentionTask*>(base + row_tasks);
  tile_tasks_ = reinterpret_cast<const cuda::AttentionTask*>(base + tile_tasks);
  merges_ = reinterpret_cast<const cuda::AttentionMerge*>(base + merges);
  frequencies_ = reinterpret_cast<const double*>(base + frequencies);
  shifts_ = reinterpret_cast<const int32_t*>(base + shifts);
}

cudaError_t CudaBatchPlan::make_angles(cudaStream_t stream) const {
  const int half = view_.head_dim / 2;
  const cudaError_t status =
      cuda::angle_table(angles_, view_.positions, frequencies_, rows(), half, stream);
  if (status != cudaSuccess) return status;
  float* of_shifts = angles_ + rows() * view_.head_dim;
  return cuda::angle_table(of_shifts, shifts_, frequencies_, shift_count_, half, stream);
}

const CudaTables::Sequence* CudaBatchPlan::find_sequence(int32_t first, int32_t last) const {
  for (const CudaTables::Sequence& sequence : sequences_)
    if (first >= sequence.row_begin && last < sequence.row_end) return &sequence;
  return nullptr;
}

cuda::BatchView CudaBatchPlan::view(int layer) const {
  cuda::BatchView view = view_;
  view.planes = cuda_planes(config_.kv, layer);
  return view;
}

cudaError_t CudaBatchPlan::attention(cuda::Result out, const float* qkv, int layer,
                                     cudaStream_t stream) const {
  const cuda::BatchView batch = view(layer);
  cudaError_t status =
      cuda::attention_tiles(out, qkv, batch, tile_tasks_, tile_task_count_, stream);
  if (status != cudaSuccess) return status;
  status = cuda::attention_rows(out, qkv, batch, row_tasks_, row_task_count_, stream);
  if (status != cudaSuccess) return status;
  return cuda::merge_partials(out, batch, merges_, merge_count_, stream);
}

const CudaBatchPlan& cuda_plan(std::string_view op, const BatchPlan& plan, const Tensor& qkv,
                               int layer) {
  const auto* own = dynamic_cast<const CudaBatchPlan*>(&plan);
  if (!own) fail(ErrorKind::mismatch, "{}: the batch was planned by another backend", op);
  const KvLayout& kv = own->config().kv;
  if (layer < 0 || layer >= kv.layers)
    fail(ErrorKind::mismatch, "{}: layer {} is not in a cache of {}", op, layer, kv.layers);
  const int64_t width = (own->config().heads + 2 * kv.kv_heads) * int64_t{kv.head_dim};
  expect_shape(op, "qkv", qkv, {own->rows(), width});
  expect_type(op, "qkv", qkv, DType::f32);
  return *own;
}

}  // namespace kvs
