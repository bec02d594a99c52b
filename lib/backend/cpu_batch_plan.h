#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu_attention_tasks.h"
#include "backend/cpu_memory.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/write_kv.h"
#include "kvs/backend.h"

namespace kvs {

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
  std::vector<cpu::AttentionTask> whole_tasks(const std::vector<SequenceRows>& sequences);
  cpu::KvPlanes planes(int layer) const;
  int group() const { return config_.heads / config_.kv.kv_heads; }

  AttentionConfig config_;
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

}  // namespace kvs
