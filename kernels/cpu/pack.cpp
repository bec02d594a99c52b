#include <cstring>

#include "kernels/cpu/install.h"

namespace kvs::cpu {
namespace {

using namespace simd;

constexpr int64_t pairs_of(int64_t k) {
  return (k + 1) / 2;
}

void pack_f32(float* panel, const float* rows, int64_t count, int64_t k) {
  for (int64_t i = 0; i < k; ++i, panel += kPanelWidth)
    for (int64_t lane = 0; lane < kPanelWidth; ++lane)
      panel[lane] = lane < count ? rows[lane * k + i] : 0;
}

uint32_t round_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  if (x != x) return (bits >> 16) | 0x40;
  return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
}

void pack_bf16(uint32_t* panel, const float* rows, int64_t count, int64_t k) {
  for (int64_t i = 0; i < k; i += 2, panel += kPanelWidth) {
    for (int64_t lane = 0; lane < kPanelWidth; ++lane) {
      const float* pair = rows + lane * k + i;
      const uint32_t low = lane < count ? round_bf16(pair[0]) : 0;
      const uint32_t high = lane < count && i + 1 < k ? round_bf16(pair[1]) : 0;
      panel[lane] = high << 16 | low;
    }
  }
}

void unpack_f32(float* out, const float* weights, int64_t row, int64_t k) {
  const float* lane = weights + row / kPanelWidth * k * kPanelWidth + row % kPanelWidth;
  for (int64_t i = 0; i < k; ++i) out[i] = lane[i * kPanelWidth];
}

void unpack_bf16(float* out, const uint32_t* weights, int64_t row, int64_t k) {
  const uint32_t* lane =
      weights + row / kPanelWidth * pairs_of(k) * kPanelWidth + row % kPanelWidth;
  for (int64_t i = 0; i < k; ++i) {
    const uint32_t pair = lane[i / 2 * kPanelWidth];
    const uint32_t bits = i % 2 == 0 ? pair << 16 : pair & 0xFFFF0000;
    std::memcpy(out + i, &bits, sizeof(bits));
  }
}

void round_pairs(uint32_t* out, const float* x, int64_t rows, int64_t k) {
  const int64_t whole = k / kWidth * kWidth;
  for (int64_t row = 0; row < rows; ++row, x += k, out += pairs_of(k)) {
    auto* halves = reinterpret_cast<uint16_t*>(out);
    for (int64_t i = 0; i < whole; i += kWidth) store_bf16(halves + i, load(x + i));
    if (whole == k) continue;
    uint16_t rest[kWidth];
    store_bf16(rest, load_first(x + whole, k - whole));
    std::memcpy(halves + whole, rest, static_cast<size_t>(pairs_of(k) * 2 - whole) * 2);
  }
}

}  // namespace

void install_pack(Kernels& table, Simd) {
  table.pack_f32 = pack_f32;
  table.pack_bf16 = pack_bf16;
  table.unpack_f32 = unpack_f32;
  table.unpack_bf16 = unpack_bf16;
  table.round_pairs = Bf16Weights::kRoundsActivations ? round_pairs : nullptr;
}

}  // namespace kvs::cpu
