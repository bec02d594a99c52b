#pragma once

#include "kernels/cpu/kernels.h"
#include "simd.h"

// One register tile of out = x w^T: rows x panels. Whatever the tile, an output is the sum over k
// in ascending order in one accumulator, so that no result depends on how the work was divided.
namespace kvs::cpu {
namespace {

using namespace simd;

// NOLINTNEXTLINE(misc-definitions-in-headers): unnamed, because it differs between levels
constexpr int kVecsPerPanel = kPanelWidth / kWidth;

// One register tile of a task.
struct Tile {
  const void* x;        // first row, first element of this piece
  const void* weights;  // first panel, the same
  int64_t steps;        // of the weights: elements or pairs
  bool odd_end;         // a pair follows of which only the first element counts
  int64_t x_stride, panel_stride;
  int64_t ahead;  // bytes from each step's weights to those that will be needed next
  float* sums;    // where sums continue from one piece to the next
  int64_t sums_stride;
  bool first_piece, last_piece;
  float* out;
  int64_t out_stride, columns;
  const float* bias;
  bool accumulate;
};

// One element (or half of a pair) of every row times the same of every panel. The shorter side is
// held in registers, beside the sums and one of the other side.
template <typename Weights, int kHalf, int kRows, int kPanels>
[[gnu::always_inline]] inline void multiply_step(Vec (&sums)[kRows][kPanels * kVecsPerPanel],
                                                 const typename Weights::Activation* x,
                                                 int64_t x_stride,
                                                 const typename Weights::Packed* weights,
                                                 int64_t panel_stride) {
  constexpr int kVecs = kPanels * kVecsPerPanel;
  const auto weights_of = [=](int v) {
    return Weights::template load<kHalf>(weights + v / kVecsPerPanel * panel_stride +
                                         v % kVecsPerPanel * kWidth);
  };
  const auto row_of = [=](int row) {
    return Weights::template broadcast_activation<kHalf>(x + row * x_stride);
  };
  if constexpr (kRows < kVecs) {
    typename Weights::Loaded rows[kRows];
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) rows[row] = row_of(row);
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) {
      const auto w = weights_of(v);
#pragma GCC unroll 16
      for (int row = 0; row < kRows; ++row) Weights::accumulate(sums[row][v], rows[row], w);
    }
  } else {
    typename Weights::Loaded w[kVecs];
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) w[v] = weights_of(v);
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
      const auto a = row_of(row);
#pragma GCC unroll 16
      for (int v = 0; v < kVecs; ++v) Weights::accumulate(sums[row][v], a, w[v]);
    }
  }
}

// A tile at the right edge has fewer columns than its vectors have lanes; masked stores are slow.
template <bool kWhole>
[[gnu::always_inline]] inline Vec load_columns(const float* p, int64_t count) {
  return kWhole ? load(p) : load_first(p, count);
}
template <bool kWhole>
[[gnu::always_inline]] inline void store_columns(float* p, Vec x, int64_t count) {
  kWhole ? store(p, x) : store_first(p, x, count);
}

template <bool kWhole, int kRows, int kVecs>
[[gnu::always_inline]] inline void load_sums(Vec (&sums)[kRows][kVecs], const Tile& tile) {
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v)
      sums[row][v] = load_columns<kWhole>(tile.sums + row * tile.sums_stride + v * kWidth,
                                          tile.columns - v * kWidth);
  }
}

template <bool kWhole, int kRows, int kVecs>
[[gnu::always_inline]] inline void store_sums(const Vec (&sums)[kRows][kVecs], const Tile& tile) {
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v)
      store_columns<kWhole>(tile.sums + row * tile.sums_stride + v * kWidth, sums[row][v],
                            tile.columns - v * kWidth);
  }
}

template <bool kWhole, int kRows, int kVecs>
[[gnu::always_inline]] inline void store_results(const Vec (&sums)[kRows][kVecs],
                                                 const Tile& tile) {
#pragma GCC unroll 16
  for (int v = 0; v < kVecs; ++v) {
    const int64_t left = tile.columns - v * kWidth;
    const Vec bias = tile.bias ? load_columns<kWhole>(tile.bias + v * kWidth, left) : zero();
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
      float* place = tile.out + row * tile.out_stride + v * kWidth;
      Vec sum = sums[row][v];
      if (tile.bias) sum = sum + bias;
      if (tile.accumulate) sum = sum + load_columns<kWhole>(place, left);
      store_columns<kWhole>(place, sum, left);
    }
  }
}

template <typename Weights, int kRows, int kPanels>
[[gnu::always_inline]] inline void multiply_steps(Vec (&sums)[kRows][kPanels * kVecsPerPanel],
                                                  const Tile& tile) {
  const auto* x = static_cast<const typename Weights::Activation*>(tile.x);
  const auto* w = static_cast<const typename Weights::Packed*>(tile.weights);
  const int64_t x_stride = tile.x_stride, panel_stride = tile.panel_stride, ahead = tile.ahead;
  for (int64_t step = 0; step < tile.steps; ++step) {
#pragma GCC unroll 16
    for (int panel = 0; panel < kPanels; ++panel)
      prefetch(reinterpret_cast<const char*>(w + panel * panel_stride) + ahead);
    multiply_step<Weights, 0, kRows, kPanels>(sums, x, x_stride, w, panel_stride);
    if constexpr (Weights::kHalves == 2) {
      // Read again: kept for the second half, the pairs would take the registers of the sums.
      asm volatile("" ::: "memory");
      multiply_step<Weights, 1, kRows, kPanels>(sums, x, x_stride, w, panel_stride);
    }
    x += Weights::kActivationsPerStep;
    w += kPanelWidth;
  }
  if (tile.odd_end) multiply_step<Weights, 0, kRows, kPanels>(sums, x, x_stride, w, panel_stride);
}

template <typename Weights, int kRows, int kPanels>
void multiply_tile(const Tile& tile) {
  constexpr int kVecs = kPanels * kVecsPerPanel;
  const bool whole = tile.columns >= kVecs * kWidth;
  Vec sums[kRows][kVecs];
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 16
    for (int v = 0; v < kVecs; ++v) sums[row][v] = zero();
  }
  if (!tile.first_piece) whole ? load_sums<true>(sums, tile) : load_sums<false>(sums, tile);
  multiply_steps<Weights, kRows, kPanels>(sums, tile);
  if (!tile.last_piece)
    whole ? store_sums<true>(sums, tile) : store_sums<false>(sums, tile);
  else
    whole ? store_results<true>(sums, tile) : store_results<false>(sums, tile);
}

/// f32 weights, f32 activations.
struct F32Weights {
  using Activation = float;
  using Packed = float;
  using Loaded = Vec;
  static constexpr int kElementsPerStep = 1;
  static constexpr int kActivationsPerStep = 1;
  static constexpr int kHalves = 1;
  static constexpr bool kRoundsActivations = false;

  template <int kHalf>
  static Loaded load(const Packed* weights) {
    return simd::load(weights);
  }
  template <int kHalf>
  static Vec broadcast_activation(const Activation* x) {
    return broadcast(*x);
  }
  static void accumulate(Vec& sum, Vec x, Loaded w) { simd::accumulate(sum, x, w); }
};

}  // namespace
}  // namespace kvs::cpu
