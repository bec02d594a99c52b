#include <algorithm>
#include <vector>

#include "backend/cpu_backend.h"
#include "backend/cpu_batch_plan.h"
#include "backend/operation_rules.h"
#include "kvs/error.h"

// What rules that choose rows want to know: attention's weights, and how far kept rows are off.
namespace kvs {
namespace {

/// What the rows see. Throws Error(mismatch) where they are not of one sequence.
cpu::KvTiles tiles_of(const CpuBatchPlan& plan, std::span<const int32_t> rows) {
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
  check_attention_mass(mass, rows, own.rows());
  if (rows.empty()) return;
  const cpu::KvTiles tiles = tiles_of(own, rows);
  const int64_t positions = own.position(rows.back()) + int64_t{1};
  check_mass_positions(mass, positions);

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
  check_kv_deviation(out, pairs, config, layer);
  const KvLayout& kv = config.kv;
  const auto count = static_cast<int64_t>(pairs.size());
  const std::vector<int32_t> turns = distinct_turns(pairs);
  const std::vector<double> angles = angle_table(turns, config.inverse_frequencies);

  std::vector<cpu::KvRowPair> own;
  own.reserve(pairs.size());
  for (const KvPair& pair : pairs) {
    const bool turned = pair.kept_home != pair.home;
    own.push_back(
        {static_cast<const std::byte*>(pair.block), static_cast<const std::byte*>(pair.kept_block),
         pair.row, pair.kept_row,
         turned ? angles.data() + turn_index(turns, turn_of(pair)) * kv.head_dim : nullptr});
  }
  cpu::KvComparison work{.pairs = own.data(), .kv_heads = kv.kv_heads, .head_dim = kv.head_dim};
  work.planes = kv_planes(kv, layer);
  work.out = static_cast<float*>(out.data);
  pool_.parallel_ranges(
      count, int64_t{8} * kv.kv_heads * kv.head_dim,
      [&](int64_t begin, int64_t end) { kernels_.kv_deviation(work, begin, end); });
}

}  // namespace kvs
