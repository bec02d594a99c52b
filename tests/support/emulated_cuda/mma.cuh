#pragma once

#include "emulation.h"

// What kernels/cuda/mma.cuh does with instructions, as their definitions say (PTX ISA). It is
// included in its place.
namespace kvs::cuda {

inline float widened(__half x) {
  return __half2float(x);
}
inline float widened(__nv_bfloat16 x) {
  return __bfloat162float(x);
}

/// Element `half` of a register of two.
template <typename Half>
float part_of(uint32_t pair, int half) {
  const auto bits = static_cast<uint16_t>(pair >> (16 * half));
  Half x;
  std::memcpy(&x, &bits, sizeof(x));
  return widened(x);
}

inline void load_eight(uint32_t (&out)[4], const void* row, bool transposed) {
  const int lane = emulated::lane();
  std::memcpy(emulated::warp_memory(lane), row, 16);
  emulated::wait_warp();
  for (int matrix = 0; matrix < 4; ++matrix) {
    uint16_t pair[2];
    for (int i = 0; i < 2; ++i) {
      const int line = transposed ? lane % 4 * 2 + i : lane / 4;
      const int column = transposed ? lane / 4 : lane % 4 * 2 + i;
      std::memcpy(&pair[i], emulated::warp_memory(matrix * 8 + line) + column * 2, 2);
    }
    out[matrix] = pair[0] | static_cast<uint32_t>(pair[1]) << 16;
  }
  emulated::wait_warp();
}
inline void load_matrices(uint32_t (&out)[4], const void* row) {
  load_eight(out, row, false);
}
inline void load_transposed(uint32_t (&out)[4], const void* row) {
  load_eight(out, row, true);
}

/// Registers of one lane as the others see them.
struct Operands {
  uint32_t a[4], b[2];
};

template <typename Half>
void multiply(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Half) {
  const int lane = emulated::lane();
  const Operands own{{a[0], a[1], a[2], a[3]}, {b0, b1}};
  std::memcpy(emulated::warp_memory(lane), &own, sizeof(own));
  emulated::wait_warp();
  const auto operands = [](int other) {
    return reinterpret_cast<const Operands*>(emulated::warp_memory(other));
  };
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; ++k) {
      // a: register (row >= 8) + 2 (k >= 8) of lane row % 8 * 4 + k % 8 / 2.
      const uint32_t left = operands(row % 8 * 4 + k % 8 / 2)->a[row / 8 + k / 8 * 2];
      // b: register k >= 8 of lane column * 4 + k % 8 / 2.
      const uint32_t right = operands(column * 4 + k % 8 / 2)->b[k / 8];
      sums[i] += part_of<Half>(left, k % 2) * part_of<Half>(right, k % 2);
    }
  }
  emulated::wait_warp();
}

inline uint32_t packed(float low, float high, __half) {
  const __half2 pair = __floats2half2_rn(low, high);
  uint32_t bits;
  std::memcpy(&bits, &pair, sizeof(bits));
  return bits;
}
inline uint32_t packed(float low, float high, __nv_bfloat16) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  std::memcpy(&bits, &pair, sizeof(bits));
  return bits;
}

inline void begin_copy(void* to, const void* from, const void* /*any*/) {
  if (from)
    std::memcpy(to, from, 16);
  else
    std::memset(to, 0, 16);
}
inline void end_copies() {}
inline void wait_for_all_but_last() {}

}  // namespace kvs::cuda
