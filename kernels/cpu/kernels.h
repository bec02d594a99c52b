#pragma once

#include <cstdint>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/levels.h"
#include "kernels/cpu/write_kv.h"

// CPU kernels: raw pointers and extents, row-major f32 unless said otherwise. Each runs on the
// calling thread over the rows or columns it is given; shapes are checked and work is divided by
// the caller. On one level, a row's result does not depend on which other rows are computed with
// it, nor on how the work is divided.
namespace kvs::cpu {

/// One function per operation and level.
struct Kernels {
  Level level;
  int width;  ///< f32 lanes of a vector

  /// out = x * weight / sqrt(mean(x^2) + eps) per row. x, out: [rows, dim], `stride` elements from
  /// row to row, may alias; weight: [dim].
  void (*rms_norm)(float* out, const float* x, const float* weight, int64_t rows, int64_t dim,
                   int64_t stride, float eps);

  /// out = silu(gate) * up. gate_up: [rows, 2 dim], gate first; out: [rows, dim].
  void (*swiglu)(float* out, const float* gate_up, int64_t rows, int64_t dim);

  /// Rotates the keys of rows [first, last) for their positions; stores them and their values.
  void (*write_kv)(const KvWrite& write, int64_t first, int64_t last);

  /// One task of attention. scratch: attention_scratch_floats(), 64-byte aligned.
  void (*attention)(const AttentionCall& call, const AttentionTask& task, float* scratch);

  /// Merges the partial results of all of a task's chunks, in order, and writes its rows.
  /// scratch: partial_floats(M, D), 64-byte aligned.
  void (*merge_partials)(const AttentionCall& call, const AttentionTask& task, float* scratch);
};

}  // namespace kvs::cpu
