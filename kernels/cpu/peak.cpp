#include "kernels/cpu/install.h"
#include "kernels/cpu/matmul_tile.h"

namespace kvs::cpu {
namespace {

using namespace simd;

// Twelve sums: enough to keep two units with a latency of up to six cycles busy.
constexpr int kSums = 12;

// Sums stay in registers. Operands come from where the compiler cannot see that they are zeros.
template <typename Weights>
double multiply_add(int64_t rounds, float* result) {
  const typename Weights::Packed zeros[kPanelWidth]{};
  const typename Weights::Packed* opaque = zeros;
  asm volatile("" : "+r"(opaque) : : "memory");
  const auto w = Weights::template load<0>(opaque);
  Vec sums[kSums];
#pragma GCC unroll 16
  for (int s = 0; s < kSums; ++s) sums[s] = broadcast(static_cast<float>(s));  // else one would do
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int s = 0; s < kSums; ++s) {
      // Without an instruction that does both, one product would serve all sums: read again.
      if (s == 0 || !kHasFma) asm volatile("" : : : "memory");
      Weights::accumulate(sums[s], Weights::template load<0>(opaque), w);
    }
  }
#pragma GCC unroll 16
  for (int s = 1; s < kSums; ++s) sums[0] = sums[0] + sums[s];
  *result = simd::sum(sums[0]);
  const double operations_per_sum = 2.0 * kWidth * (Weights::kRoundsActivations ? 2 : 1);
  return operations_per_sum * kSums * static_cast<double>(rounds);
}

float add_up(const float* data, int64_t count) {
  Vec sums[8]{};
  for (int64_t i = 0; i + 8 * kWidth <= count; i += 8 * kWidth) {
#pragma GCC unroll 8
    for (int v = 0; v < 8; ++v) sums[v] = sums[v] + load(data + i + v * kWidth);
  }
  Vec total = sums[0];
#pragma GCC unroll 8
  for (int v = 1; v < 8; ++v) total = total + sums[v];
  return simd::sum(total);
}

}  // namespace

void install_peak(Kernels& table, Simd) {
  table.multiply_add_f32 = multiply_add<F32Weights>;
  table.multiply_add_bf16 = multiply_add<Bf16Weights>;
  table.add_up = add_up;
}

}  // namespace kvs::cpu
