#include <algorithm>

#include "backend/check_shape.h"
#include "backend/cuda_backend.h"
#include "backend/operation_rules.h"
#include "kernels/cuda/kernels.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// Scores that attention_mass keeps at a time; more rows take several passes.
constexpr int64_t kMassFloats = int64_t{32} << 20;

/// The sequence of the rows. Throws Error(mismatch) where they are not of one.
const CudaTables::Sequence& sequence_of(const CudaBatchPlan& plan, std::span<const int32_t> rows) {
  const CudaTables::Sequence* found = plan.find_sequence(rows.front(), rows.back());
  if (!found)
    fail(ErrorKind::mismatch, "attention_mass: rows {} and {} are not of one sequence",
         rows.front(), rows.back());
  return *found;
}

}  // namespace

std::unique_ptr<BatchPlan> CudaBackend::plan_batch(const BatchLayout& layout,
                                                   const AttentionConfig& config) {
  use();
  CudaTables tables = make_cuda_tables(layout, config, multiprocessors_);
  if (step_) step_->fill_up(tables);
  CudaLoads::Number awaited = last_load(layout);
  if (step_) {  // what is recorded cannot wait for what is not
    if (phase_ == Phase::values) loads_.await(awaited, use());
    awaited = CudaLoads::kNone;
  }
  auto plan = std::make_unique<CudaBatchPlan>(tables, config, memory_, step_, awaited);
  send(plan->data(), plan->tables().data(), plan->tables().size());
  queue("plan_batch", [&](cudaStream_t stream) { return plan->make_angles(stream); });
  return plan;
}

CudaLoads::Number CudaBackend::last_load(const BatchLayout& layout) const {
  CudaLoads::Number last = CudaLoads::kNone;
  for (const BatchSequence& sequence : layout.sequences)
    for (const KvRun& run : sequence.runs) last = std::max(last, loads_.last_into(run.block));
  return last;
}

void CudaBackend::write_kv(Tensor qkv, const BatchPlan& plan, int layer) {
  const CudaBatchPlan& own = cuda_plan("write_kv", plan, qkv, layer);
  queue("write_kv",
        [&](cudaStream_t stream) { return cuda::write_kv(floats(qkv), own.view(layer), stream); });
}

void CudaBackend::attention(Tensor out, Tensor qkv, const BatchPlan& plan, int layer) {
  const CudaBatchPlan& own = cuda_plan("attention", plan, qkv, layer);
  const AttentionConfig& config = own.config();
  expect_shape("attention", "out", out, {own.rows(), config.heads * int64_t{config.kv.head_dim}});
  expect_type("attention", "out", out, result_type(out));
  loads_.await(own.awaited(), layer, use());
  queue("attention", [&](cudaStream_t stream) {
    return own.attention(result(out), floats(qkv), layer, stream);
  });
}

void CudaBackend::attention_mass(Tensor mass, Tensor qkv, const BatchPlan& plan, int layer,
                                 std::span<const int32_t> rows) {
  const CudaBatchPlan& own = cuda_plan("attention_mass", plan, qkv, layer);
  check_attention_mass(mass, rows, own.rows());
  if (rows.empty()) return;
  const CudaTables::Sequence& sequence = sequence_of(own, rows);
  const int32_t positions = own.position(rows.back()) + 1;
  check_mass_positions(mass, positions);

  loads_.await(own.awaited(), layer, use());
  const int heads = own.config().heads;
  const int32_t* device_rows = upload_indices(rows);
  const int64_t per_row = cuda::mass_scratch_floats(1, heads, positions);
  const int64_t most = std::max<int64_t>(1, kMassFloats / per_row);
  const auto all = static_cast<int64_t>(rows.size());
  for (int64_t first = 0; first < all; first += most) {
    const int64_t count = std::min(most, all - first);
    const cuda::MassTask task{device_rows + first, static_cast<int32_t>(count), sequence.tile_begin,
                              sequence.tile_end, own.position(rows[first + count - 1]) + 1};
    float* scratch = grown<float>(work_, memory_, count * per_row);
    queue("attention_mass", [&](cudaStream_t stream) {
      return cuda::attention_mass(mutable_floats(mass), floats(qkv), own.view(layer), task, scratch,
                                  stream);
    });
  }
}

void CudaBackend::kv_deviation(Tensor out, std::span<const KvPair> pairs,
                               const AttentionConfig& config, int layer) {
  check_kv_deviation(out, pairs, config, layer);
  if (pairs.empty()) return;
  const KvLayout& kv = config.kv;
  const auto count = static_cast<int64_t>(pairs.size());
  const std::vector<int32_t> turns = distinct_turns(pairs);
  std::vector<cuda::KvRowPair> own;
  own.reserve(pairs.size());
  for (const KvPair& pair : pairs) {
    await_rows(pair.block, 1);
    await_rows(pair.kept_block, 1);
    own.push_back({static_cast<const std::byte*>(pair.block),
                   static_cast<const std::byte*>(pair.kept_block), pair.row, pair.kept_row,
                   static_cast<int32_t>(turn_index(turns, turn_of(pair)))});
  }

  use();
  PackedArrays packed;
  const size_t pairs_at = packed.add(own), turns_at = packed.add(turns);
  const size_t frequencies_at = packed.add(config.inverse_frequencies);
  const size_t packed_bytes = (packed.bytes().size() + 15) / 16 * 16;
  const size_t angle_bytes = turns.size() * sizeof(float) * static_cast<size_t>(kv.head_dim);
  auto* base = grown<std::byte>(work_, memory_, static_cast<int64_t>(packed_bytes + angle_bytes));
  auto* angles = reinterpret_cast<float*>(base + packed_bytes);
  staging_.upload(base, packed.bytes().data(), packed.bytes().size());
  queue("kv_deviation", [&](cudaStream_t stream) {
    return cuda::angle_table(angles, reinterpret_cast<const int32_t*>(base + turns_at),
                             reinterpret_cast<const double*>(base + frequencies_at),
                             static_cast<int64_t>(turns.size()), kv.head_dim / 2, stream);
  });
  queue("kv_deviation", [&](cudaStream_t stream) {
    return cuda::kv_deviation(mutable_floats(out),
                              reinterpret_cast<const cuda::KvRowPair*>(base + pairs_at), angles,
                              cuda_planes(kv, layer), count, kv.kv_heads, kv.head_dim, stream);
  });
}

}  // namespace kvs
