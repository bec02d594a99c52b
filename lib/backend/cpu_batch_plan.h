#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "backend/cpu_attention_tasks.h"
#include "backend/cpu_memory.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/write_kv.h"
#include "kvs/backend.h"

namespace kvs {

/// Where one layer's planes lie in a block.
cpu::KvPlanes kv_planes(const KvLayout& kv, int layer);

/// Cosines, then sines, of multiple * frequency. [multiples, 2 * frequencies]
std::vector<double> angle_table(const std::vector<int32_t>& multiples,
                                const std::vector<double>& frequencies);

/// A BatchLayout made ready for the CPU: angles of every row and shift, runs cut into tiles of
/// positions, and the tasks of attention. It serves all layers.
class CpuBatchPlan final : public BatchPlan {
 public:
  /// `threads`: how many will work on the tasks. Throws Error(mismatch) where the configuration or
  /// the layout breaks the rules stated at their types.
  CpuBatchPlan(const BatchLayout& layout, const AttentionConfig& config, int threads);

  const AttentionConfig& config() const { return config_; }
  int64_t rows() const { return static_cast<int64_t>(positions_.size()); }
  const AttentionTasks& tasks() const { return tasks_; }
  int32_t position(int32_t row) const { return positions_[static_cast<size_t>(row)]; }
  /// What rows [first, last] see; none where they are not of one sequence.
  cpu::KvTiles tiles_of(int32_t first, int32_t last) const;

  /// Everything of a layer's calls but the activations.
  cpu::AttentionCall attention_call(int layer) const;
  cpu::KvWrite kv_write(int layer) const;

  /// Working memory of one thread, for a task or a merge.
  float* scratch(int thread) const {
    return reinterpret_cast<float*>(scratch_.get()) + thread * scratch_floats_;
  }

 private:
  /// Rows of the batch that belong to one sequence; its tiles begin at tile_begin_[first_tile].
  struct SequenceRows {
    int32_t begin, end, sequence;
    size_t first_tile;
  };

  std::vector<SequenceRows> add_rows(const std::vector<BatchRow>& rows);
  void add_tiles(const BatchSequence& sequence, int32_t last_position);
  std::vector<cpu::AttentionTask> whole_tasks() const;
  int group() const { return config_.heads / config_.kv.kv_heads; }

  AttentionConfig config_;
  std::vector<SequenceRows> sequences_;
  std::vector<int32_t> positions_;    ///< [T]
  std::vector<cpu::KvPlace> places_;  ///< [T]
  std::vector<int32_t> shifts_;       ///< distinct within a sequence
  std::vector<double> row_angles_;    ///< [T, D]: cosines, then sines
  std::vector<double> shift_angles_;  ///< [shifts, D]
  std::vector<cpu::KvPiece> pieces_;  ///< of all sequences
  std::vector<int32_t> tile_begin_;   ///< likewise; indices into pieces_
  AttentionTasks tasks_;
  CpuMemory scratch_;  ///< floats: [threads, scratch_floats_]
  size_t scratch_floats_ = 0;
  int query_slots_ = 1;
};

/// The plan of a CPU, for a `qkv` and a layer that fit it. Throws Error(mismatch) where they do
/// not.
const CpuBatchPlan& cpu_plan(std::string_view op, const BatchPlan& plan, const Tensor& qkv,
                             int layer);

}  // namespace kvs
