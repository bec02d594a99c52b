#include <algorithm>
#include <vector>

#include "backend/batch_rules.h"
#include "backend/check_shape.h"
#include "backend/cpu_backend.h"
#include "backend/cpu_batch_plan.h"

// What rules that choose rows want to know: attention's weights, and how far kept rows are off.
namespace kvs {
namespace {

/// What the rows see. Throws Error(mismatch) where they are not as attention_mass() wants them.
cpu::KvTiles tiles_of(const CpuBatchPlan& plan, std::span<const int32_t> rows) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= plan.rows() || (i > 0 && rows[i] <= rows[i - 1]))
      fail(ErrorKind::mismatch, "attention_mass: row {} of a batch of {} does not ascend", rows[i],
           plan.rows());
  }
  const cpu::KvTiles tiles = plan.tiles_of(rows.front(), rows.back());
  if (!tiles.pieces)
    fail(ErrorKind::mismatch, "attention_mass: rows {} and {} are not of one sequence",
         rows.front(), rows.back());
  return tiles;
}

}  // namespace

void CpuBackend::attention_mass(Tensor mass, Tensor qkv, const BatchPlan& plan, int layer,
                                std::span<const int32_t> rows) {
  const CpuBatchPlan& own = cpu_plan("attention_mass", plan, qkv, layer);
  expect_rank("attention_mass", "mass", mass, 1);
  expect_type("attention_mass", "mass", mass, DType::f32);
  if (rows.empty()) return;
  const cpu::KvTiles tiles = tiles_of(own, rows);
  const int64_t positions = own.position(rows.back()) + int64_t{1};
  if (mass.shape[0] < positions)
    fail(ErrorKind::mismatch, "attention_mass: mass has {} elements, its rows see {} positions",
         mass.shape[0], positions);

  cpu::AttentionCall call = own.attention_call(layer);
  call.qkv = static_cast<const float*>(qkv.data);
  const int heads = own.config().kv.kv_heads;
  // Tasks add to sums of their own, which are added up in order: no result depends on threads.
  float* sums = mass_.get<float>(heads * static_cast<size_t>(positions));
  const size_t work = (cpu::mass_scratch_floats(call.group, call.head_dim, positions) + 15) / 16;
  float* scratch = mass_work_.get<float>(pool_.size() * work * 16);
  pool_.parallel_for(heads, [&](int64_t head, int thread) {
    float* own_sums = sums + head * positions;
    std::fill_n(own_sums, positions, 0.0F);
    const cpu::MassTask task{tiles, rows.data(), static_cast<int32_t>(rows.size()),
                             static_cast<int32_t>(head), own_sums};
    kernels_.attention_mass(call, task, scratch + thread * work * 16);
  });
  auto* out = static_cast<float*>(mass.data);
  const float share = 1 / static_cast<float>(own.config().heads);
  for (int head = 0; head < heads; ++head)
    for (int64_t p = 0; p < positions; ++p) out[p] += share * sums[head * positions + p];
}

void CpuBackend::kv_deviation(Tensor out, std::span<const KvPair> pairs,
                              const AttentionConfig& config, int layer) {
  check_batch({}, config);
  const KvLayout& kv = config.kv;
  if (layer < 0 || layer >= kv.layers)
    fail(ErrorKind::mismatch, "kv_deviation: layer {} is not in a cache of {}", layer, kv.layers);
  const auto count = static_cast<int64_t>(pairs.size());
  expect_shape("kv_deviation", "out", out, {count, 3});
  expect_type("kv_deviation", "out", out, DType::f32);

  std::vector<int32_t> turns;  // distinct differences of homes, ascending
  for (const KvPair& pair : pairs) {
    for (const int32_t row : {pair.row, pair.kept_row})
      if (row < 0 || row >= kBlockTokens || !pair.block || !pair.kept_block)
        fail(ErrorKind::mismatch, "kv_deviation: row {} of a block of {}", row, kBlockTokens);
    turns.push_back(pair.kept_home - pair.home);
  }
  std::sort(turns.begin(), turns.end());
  turns.erase(std::unique(turns.begin(), turns.end()), turns.end());
  const std::vector<double> angles = angle_table(turns, config.inverse_frequencies);

  std::vector<cpu::KvRowPair> own;
  own.reserve(pairs.size());
  for (const KvPair& pair : pairs) {
    const int32_t turn = pair.kept_home - pair.home;
    const auto index = std::lower_bound(turns.begin(), turns.end(), turn) - turns.begin();
    own.push_back({static_cast<const std::byte*>(pair.block),
                   static_cast<const std::byte*>(pair.kept_block), pair.row, pair.kept_row,
                   turn == 0 ? nullptr : angles.data() + index * kv.head_dim});
  }
  cpu::KvComparison work{.pairs = own.data(), .kv_heads = kv.kv_heads, .head_dim = kv.head_dim};
  work.planes = kv_planes(kv, layer);
  work.out = static_cast<float*>(out.data);
  pool_.parallel_ranges(
      count, int64_t{8} * kv.kv_heads * kv.head_dim,
      [&](int64_t begin, int64_t end) { kernels_.kv_deviation(work, begin, end); });
}

}  // namespace kvs
