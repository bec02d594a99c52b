#include "kvs/random_rows.h"

namespace kvs {
namespace {

uint64_t mix(uint64_t value) {  // Steele et al. 2014, SplitMix64
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
  value = (value ^ value >> 27) * 0x94d049bb133111ebU;
  return value ^ value >> 31;
}

// Two 32-bit multiplications per value, so that the loop vectorises.
uint32_t mix_small(uint32_t value) {
  value = (value ^ value >> 16) * 0x7feb352dU;
  value = (value ^ value >> 15) * 0x846ca68bU;
  return value ^ value >> 16;
}

void generate_row(uint64_t key, float scale, int64_t cols, float* out) {
  const auto low = static_cast<uint32_t>(key);
  const auto step = static_cast<uint32_t>(key >> 32) | 1U;
  for (int64_t column = 0; column < cols; ++column) {
    const uint32_t bits = mix_small(low + static_cast<uint32_t>(column) * step);
    out[column] = scale * static_cast<float>(static_cast<int32_t>(bits));
  }
}

}  // namespace

// The kernel of CUDA does the same (kernels/cuda/random_rows.cu).
void generate_rows(const RandomRows& rows, int64_t first, int64_t count, int64_t cols, float* out) {
  const uint64_t start = mix(rows.key) + static_cast<uint64_t>(first);
  const float scale = rows.limit * 0x1p-31F;
  for (int64_t row = 0; row < count; ++row)
    generate_row(mix(start + static_cast<uint64_t>(row)), scale, cols, out + row * cols);
}

}  // namespace kvs
