#pragma once

// Included by the simd.h of levels that have no bf16 products: pairs are widened to f32 in
// registers. Not visible to other sources: the same names mean other things in other levels.
namespace kvs::cpu::simd {
namespace {

/// bf16 weights times f32 activations: the first half of a pair, then the second.
struct Bf16Weights {
  using Activation = float;
  using Packed = uint32_t;
  using Loaded = Vec;
  static constexpr int kElementsPerStep = 2;
  static constexpr int kActivationsPerStep = 2;
  static constexpr int kHalves = 2;
  static constexpr bool kRoundsActivations = false;

  template <int kHalf>
  static Loaded load(const Packed* pairs) {
    return load_half<kHalf>(pairs);
  }
  template <int kHalf>
  static Vec broadcast_activation(const Activation* x) {
    return broadcast(x[kHalf]);
  }
  static void accumulate(Vec& sum, Vec x, Loaded w) { simd::accumulate(sum, x, w); }
};

}  // namespace
}  // namespace kvs::cpu::simd
