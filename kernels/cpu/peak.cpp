#include "kernels/cpu/install.h"
#include "kernels/cpu/matmul_tile.h"

namespace kvs::cpu {
namespace {

using namespace simd;

// Twelve sums: enough to keep two units with a latency of up to six cycles busy.
constexpr int kSums = 12;

// Operands stay in registers; the barrier keeps the compiler from computing the result itself.
template <typename Weights>
double multiply_add(int64_t rounds, float* result) {
  const typename Weights::Packed packed[2 * kPanelWidth]{};
  const typename Weights::Activation one[2]{};
  const auto x = Weights::template broadcast_activation<0>(one);
  const auto w = Weights::template load<0>(packed);
  Vec sums[kSums]{};
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (Vec& sum : sums) Weights::accumulate(sum, x, w);
    asm volatile("" ::: "memory");
  }
  Vec total = zero();
  for (const Vec& sum : sums) total = total + sum;
  *result = simd::sum(total);
  const double operations_per_sum = 2.0 * kWidth * (Weights::kRoundsActivations ? 2 : 1);
  return operations_per_sum * kSums * static_cast<double>(rounds);
}

float add_up(const float* data, int64_t count) {
  Vec sums[8]{};
  for (int64_t i = 0; i + 8 * kWidth <= count; i += 8 * kWidth) {
#pragma GCC unroll 8
    for (int v = 0; v < 8; ++v) sums[v] = sums[v] + load(data + i + v * kWidth);
  }
  Vec total = zero();
  for (const Vec& sum : sums) total = total + sum;
  return simd::sum(total);
}

}  // namespace

void install_peak(Kernels& table, Simd) {
  table.multiply_add_f32 = multiply_add<F32Weights>;
  table.multiply_add_bf16 = multiply_add<Bf16Weights>;
  table.add_up = add_up;
}

}  // namespace kvs::cpu
