#include "backend/cpu_batch_plan.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "backend/batch_rules.h"
#include "backend/check_shape.h"

namespace kvs {
namespace {

using cpu::AttentionTask;
using cpu::kTilePositions;

static_assert(kMaxBatchHeadDim <= cpu::kMaxHeadDim);

cpu::KvType kv_type(DType type) {
  switch (type) {
    case DType::f32:
      return cpu::KvType::f32;
    case DType::bf16:
      return cpu::KvType::bf16;
    case DType::q8:
      return cpu::KvType::q8;
    case DType::f16:
      break;
  }
  return cpu::KvType::f16;
}

}  // namespace

std::vector<double> angle_table(const std::vector<int32_t>& multiples,
                                const std::vector<double>& frequencies) {
  const size_t half = frequencies.size();
  std::vector<double> table(multiples.size() * 2 * half);
  for (size_t row = 0; row < multiples.size(); ++row) {
    double* cosine = table.data() + row * 2 * half;
    for (size_t i = 0; i < half; ++i) {
      const double angle = multiples[row] * frequencies[i];
      cosine[i] = std::cos(angle);
      cosine[half + i] = std::sin(angle);
    }
  }
  return table;
}

CpuBatchPlan::CpuBatchPlan(const BatchLayout& layout, const AttentionConfig& config, int threads)
    : config_(config) {
  check_batch(layout, config);
  sequences_ = add_rows(layout.rows);
  for (SequenceRows& rows : sequences_) {
    rows.first_tile = tile_begin_.size();
    add_tiles(layout.sequences[static_cast<size_t>(rows.sequence)], positions_[rows.end - 1]);
  }
  row_angles_ = angle_table(positions_, config.inverse_frequencies);
  shift_angles_ = angle_table(shifts_, config.inverse_frequencies);

  const std::vector<AttentionTask> whole = whole_tasks();
  const int head_dim = config.kv.head_dim;
  tasks_ = divide_tasks(whole, positions_, group(), head_dim, threads);
  int most_rows = 0;
  for (const AttentionTask& task : whole) {
    most_rows = std::max(most_rows, task.row_end - task.row_begin);
  }
  scratch_floats_ = cpu::attention_scratch_floats(most_rows * group(), head_dim, query_slots_);
  scratch_ = make_cpu_memory(scratch_floats_ * sizeof(float) * static_cast<size_t>(threads));
}

std::vector<CpuBatchPlan::SequenceRows> CpuBatchPlan::add_rows(const std::vector<BatchRow>& rows) {
  std::vector<SequenceRows> sequences;
  for (const BatchRow& row : rows) {
    const auto index = static_cast<int32_t>(positions_.size());
    if (sequences.empty() || sequences.back().sequence != row.sequence) {
      sequences.push_back({index, index, row.sequence, 0});
    }
    sequences.back().end = index + 1;
    positions_.push_back(row.position);
    places_.push_back({static_cast<std::byte*>(row.block), row.slot});
  }
  return sequences;
}

/// Cuts the runs at the bounds of tiles, up to the last position that a row sees.
void CpuBatchPlan::add_tiles(const BatchSequence& sequence, int32_t last_position) {
  std::unordered_map<int32_t, int32_t> own_shifts;
  for (const KvRun& run : sequence.runs) {
    if (run.position > last_position) break;
    const auto [shift, is_new] = own_shifts.try_emplace(run.shift, 0);
    if (is_new) {
      shift->second = static_cast<int32_t>(shifts_.size());
      shifts_.push_back(run.shift);
    }
    for (int32_t done = 0; done < run.count;) {
      const int32_t column = (run.position + done) % kTilePositions;
      const int32_t count = std::min(run.count - done, kTilePositions - column);
      if (column == 0) tile_begin_.push_back(static_cast<int32_t>(pieces_.size()));
      const auto* block = static_cast<const std::byte*>(run.block);
      pieces_.push_back({block, run.first + done, count, shift->second});
      done += count;
    }
  }
  tile_begin_.push_back(static_cast<int32_t>(pieces_.size()));
  const int slots = std::min(cpu::kMaxQuerySlots, static_cast<int>(own_shifts.size()));
  query_slots_ = std::max(query_slots_, slots);
}

/// One task per KV head and group of rows, over all positions the rows see.
std::vector<AttentionTask> CpuBatchPlan::whole_tasks() const {
  const int wanted = std::max(1, cpu::kPreferredHeadRows / group());
  std::vector<AttentionTask> whole;
  for (const SequenceRows& rows : sequences_) {
    // To the nearest count of tasks: a short one would load all positions for a few rows.
    const int count = rows.end - rows.begin;
    const int parts = std::max(1, (count + wanted / 2) / wanted);
    const cpu::KvTiles tiles{pieces_.data(), tile_begin_.data() + rows.first_tile};
    for (int part = 0; part < parts; ++part) {
      const auto begin = static_cast<int32_t>(rows.begin + int64_t{count} * part / parts);
      const auto end = static_cast<int32_t>(rows.begin + int64_t{count} * (part + 1) / parts);
      const int32_t before_window = positions_[begin] - config_.window + 1;
      const int32_t first = config_.window > 0 ? std::max(0, before_window) : 0;
      const int first_chunk = cpu::chunk_of_tile(first / kTilePositions);
      const int last_chunk = cpu::chunk_of_tile(positions_[end - 1] / kTilePositions);
      for (int head = 0; head < config_.kv.kv_heads; ++head) {
        whole.push_back({tiles, begin, end, head, first_chunk, last_chunk + 1, nullptr});
      }
    }
  }
  return whole;
}

cpu::KvTiles CpuBatchPlan::tiles_of(int32_t first, int32_t last) const {
  for (const SequenceRows& rows : sequences_) {
    if (first < rows.begin || last >= rows.end) continue;
    return {pieces_.data(), tile_begin_.data() + rows.first_tile};
  }
  return {};
}

cpu::KvPlanes kv_planes(const KvLayout& kv, int layer) {
  cpu::KvPlanes planes;
  planes.type = kv_type(kv.type);
  planes.key = kv.key_offset(layer, 0);
  planes.value = kv.value_offset(layer, 0);
  planes.key_scale = kv.key_scale_offset(layer, 0);
  planes.value_scale = kv.value_scale_offset(layer, 0);
  planes.head_bytes = kv.head_bytes();
  planes.head_scale_bytes = kv.head_scale_bytes();
  planes.row_bytes = kv.row_bytes();
  return planes;
}

cpu::AttentionCall CpuBatchPlan::attention_call(int layer) const {
  const int64_t head_dim = config_.kv.head_dim;
  cpu::AttentionCall call;
  call.qkv_stride = (config_.heads + 2 * config_.kv.kv_heads) * head_dim;
  call.out_stride = config_.heads * head_dim;
  call.positions = positions_.data();
  call.row_angles = row_angles_.data();
  call.shift_angles = shift_angles_.data();
  call.group = group();
  call.head_dim = config_.kv.head_dim;
  call.window = config_.window;
  call.scale = config_.scale;
  call.query_slots = query_slots_;
  call.planes = kv_planes(config_.kv, layer);
  return call;
}

cpu::KvWrite CpuBatchPlan::kv_write(int layer) const {
  cpu::KvWrite write;
  write.stride = (config_.heads + 2 * config_.kv.kv_heads) * int64_t{config_.kv.head_dim};
  write.row_angles = row_angles_.data();
  write.places = places_.data();
  write.kv_heads = config_.kv.kv_heads;
  write.head_dim = config_.kv.head_dim;
  write.planes = kv_planes(config_.kv, layer);
  return write;
}

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

}  // namespace kvs
