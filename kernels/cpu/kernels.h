#pragma once

#include <cstdint>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/attention_mass.h"
#include "kernels/cpu/kv_deviation.h"
#include "kernels/cpu/levels.h"
#include "kernels/cpu/move_kv.h"
#include "kernels/cpu/write_kv.h"

// CPU kernels: raw pointers and extents, row-major f32 unless said otherwise. Each runs on the
// calling thread over the rows or columns it is given; shapes are checked and work is divided by
// the caller. On one level, a row's result does not depend on which other rows are computed with
// it, nor on how the work is divided.
namespace kvs::cpu {

/// Rows of a weight matrix that are packed side by side and become columns of the output. A packed
/// matrix [n, k] is [ceil(n / 16)][k][16] in f32, or [ceil(n / 16)][ceil(k / 2)][16][2] in bf16,
/// two bf16 to a uint32_t, the first in the low half; what exceeds n and k is 0.
constexpr int kPanelWidth = 16;

/// Part of out = x w^T (+ bias) (+ out): rows [first_row, first_row + rows) of x, at least one,
/// times the panels [first_panel, first_panel + panels) of w.
struct MatmulTask {
  float* out;           ///< [all rows, n]
  const void* x;        ///< [all rows, k] f32, or what round_pairs made of it
  const void* weights;  ///< packed [n, k]
  const float* bias;    ///< [n] or null
  float* partial;       ///< [rows, 16 panels], scratch; not used unless `accumulate`
  int64_t n, k;
  int64_t first_row, rows;
  int64_t first_panel, panels;
  bool accumulate;  ///< add to `out` instead of replacing it
};

/// What a layer norm learned. weight, bias: [dim].
struct LayerNormWeights {
  const float* weight;
  const float* bias;
  float eps;
};

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

  /// One task of attention mass. scratch: mass_scratch_floats(), 64-byte aligned.
  void (*attention_mass)(const AttentionCall& call, const MassTask& task, float* scratch);

  /// Compares the pairs [first, last).
  void (*kv_deviation)(const KvComparison& work, int64_t first, int64_t last);

  void (*matmul_f32)(const MatmulTask& task);
  void (*matmul_bf16)(const MatmulTask& task);

  /// What the multiply-adds of matmul_f32 and matmul_bf16 reach at best: `rounds` of them on
  /// registers alone. Return the number of operations, two for each multiply-add.
  double (*multiply_add_f32)(int64_t rounds, float* result);
  double (*multiply_add_bf16)(int64_t rounds, float* result);

  /// Reads `count` elements and returns their sum; a few at the end may be left out.
  float (*add_up)(const float* data, int64_t count);

  /// Where not null, matmul_bf16 takes activations rounded to pairs of bf16: out [rows, ceil(k/2)].
  void (*round_pairs)(uint32_t* out, const float* x, int64_t rows, int64_t k);

  /// Packs up to 16 rows of a weight matrix into one panel. rows: [count, k].
  void (*pack_f32)(float* panel, const float* rows, int64_t count, int64_t k);
  void (*pack_bf16)(uint32_t* panel, const float* rows, int64_t count, int64_t k);

  /// Reads one row of a packed matrix. out: [k].
  void (*unpack_f32)(float* out, const float* weights, int64_t row, int64_t k);
  void (*unpack_bf16)(float* out, const uint32_t* weights, int64_t row, int64_t k);

  /// out = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias per row. x, out: [rows, dim],
  /// may alias.
  void (*layer_norm)(float* out, const float* x, const LayerNormWeights& weights, int64_t rows,
                     int64_t dim);

  /// out = x Phi(x), Phi the normal distribution's. x, out: [count], may alias.
  void (*gelu)(float* out, const float* x, int64_t count);

  /// Copies the rows of the moves [first, last).
  void (*move_kv)(const KvMoves& work, int64_t first, int64_t last);
};

}  // namespace kvs::cpu
