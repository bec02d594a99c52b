#include <algorithm>

#include "backend/batch_rules.h"
#include "backend/check_shape.h"
#include "backend/cuda_backend.h"
#include "kernels/cuda/kernels.h"

namespace kvs {
namespace {

// Scores that attention_mass keeps at a time; more rows take several passes.
constexpr int64_t kMassFloats = int64_t{32} << 20;

/// The sequence of the rows. Throws Error(mismatch) where they are not as attention_mass() wants.
const CudaTables::Sequence& sequence_of(const CudaBatchPlan& plan, std::span<const int32_t> rows) {
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i] < 0 || rows[i] >= plan.rows() || (i > 0 && rows[i] <= rows[i - 1]))
      fail(ErrorKind::mismatch, "attention_mass: row {} of a batch of {} does not ascend", rows[i],
           plan.rows());
  const CudaTables::Sequence* found = plan.find_sequence(rows.front(), rows.back());
  if (!found)
    fail(ErrorKind::mismatch, "attention_mass: rows {} and {} are not of one sequence",
         rows.front(), rows.back());
  return *found;
}

struct Comparison {
  std::vector<cuda::KvRowPair> pairs;
  std::vector<int32_t> turns;  ///< distinct differences of homes, ascending
};

Comparison make_comparison(std::span<const KvPair> pairs) {
  Comparison made;
  for (const KvPair& pair : pairs) {
    for (const int32_t row : {pair.row, pair.kept_row})
      if (row < 0 || row >= kBlockTokens || !pair.block || !pair.kept_block)
        fail(ErrorKind::mismatch, "kv_deviation: row {} of a block of {}", row, kBlockTokens);
    made.turns.push_back(pair.kept_home - pair.home);
  }
  auto& turns = made.turns;
  std::sort(turns.begin(), turns.end());
  turns.erase(std::unique(turns.begin(), turns.end()), turns.end());
  for (const KvPair& pair : pairs) {
    const auto turn = std::lower_bound(turns.begin(), turns.end(), pair.kept_home - pair.home);
    made.pairs.push_back({static_cast<const std::byte*>(pair.block),
                          static_cast<const std::byte*>(pair.kept_block), pair.row, pair.kept_row,
                          static_cast<int32_t>(turn - turns.begin())});
  }
  return made;
}

}  // namespace

std::unique_ptr<BatchPlan> CudaBackend::plan_batch(const BatchLayout& layout,
                                                   const AttentionConfig& config) {
  use();
  auto plan = std::make_unique<CudaBatchPlan>(make_cuda_tables(layout, config, multiprocessors_),
                                              config, memory_, staging_);
  last_queued_ = "plan_batch";
  return plan;
}

void CudaBackend::write_kv(Tensor qkv, const BatchPlan& plan, int layer) {
  const CudaBatchPlan& own = cuda_plan("write_kv", plan, qkv, layer);
  queued(cuda::write_kv(static_cast<const float*>(qkv.data), own.view(layer), use()), "write_kv");
}

void CudaBackend::attention(Tensor out, Tensor qkv, const BatchPlan& plan, int layer) {
  const CudaBatchPlan& own = cuda_plan("attention", plan, qkv, layer);
  const AttentionConfig& config = own.config();
  expect_shape("attention", "out", out, {own.rows(), config.heads * int64_t{config.kv.head_dim}});
  expect_type("attention", "out", out, DType::f32);
  queued(own.attention(static_cast<float*>(out.data), static_cast<const float*>(qkv.data), layer,
                       use()),
         "attention");
}

void CudaBackend::attention_mass(Tensor mass, Tensor qkv, const BatchPlan& plan, int layer,
                                 std::span<const int32_t> rows) {
  const CudaBatchPlan& own = cuda_plan("attention_mass", plan, qkv, layer);
  expect_rank("attention_mass", "mass", mass, 1);
  expect_type("attention_mass", "mass", mass, DType::f32);
  if (rows.empty()) return;
  const CudaTables::Sequence& sequence = sequence_of(own, rows);
  const int32_t positions = own.position(rows.back()) + 1;
  if (mass.shape[0] < positions)
    fail(ErrorKind::mismatch, "attention_mass: mass has {} elements, its rows see {} positions",
         mass.shape[0], positions);

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
    queued(cuda::attention_mass(static_cast<float*>(mass.data), static_cast<const float*>(qkv.data),
                                own.view(layer), task, scratch, use()),
           "attention_mass");
  }
}

void CudaBackend::kv_deviation(Tensor out, std::span<const KvPair> pairs,
                               const AttentionConfig& config, int layer) {
  check_batch({}, config);
  const KvLayout& kv = config.kv;
  if (layer < 0 || layer >= kv.layers)
    fail(ErrorKind::mismatch, "kv_deviation: layer {} is not in a cache of {}", layer, kv.layers);
  const auto count = static_cast<int64_t>(pairs.size());
  expect_shape("kv_deviation", "out", out, {count, 3});
  expect_type("kv_deviation", "out", out, DType::f32);
  const Comparison made = make_comparison(pairs);
  if (count == 0) return;

  use();
  PackedArrays packed;
  const size_t pairs_at = packed.add(made.pairs), turns_at = packed.add(made.turns);
  const size_t frequencies_at = packed.add(config.inverse_frequencies);
  const auto turns = static_cast<int64_t>(made.turns.size());
  const size_t packed_bytes = (packed.bytes().size() + 15) / 16 * 16;
  const size_t angle_bytes = made.turns.size() * sizeof(float) * static_cast<size_t>(kv.head_dim);
  auto* base = grown<std::byte>(work_, memory_, static_cast<int64_t>(packed_bytes + angle_bytes));
  auto* angles = reinterpret_cast<float*>(base + packed_bytes);
  staging_.upload(base, packed.bytes().data(), packed.bytes().size());
  queued(cuda::angle_table(angles, reinterpret_cast<const int32_t*>(base + turns_at),
                           reinterpret_cast<const double*>(base + frequencies_at), turns,
                           kv.head_dim / 2, use()),
         "kv_deviation");
  queued(cuda::kv_deviation(static_cast<float*>(out.data),
                            reinterpret_cast<const cuda::KvRowPair*>(base + pairs_at), angles,
                            cuda_planes(kv, layer), count, kv.kv_heads, kv.head_dim, use()),
         "kv_deviation");
}

}  // namespace kvs
