#include "support/simd_probe.h"

#include "kernels/cpu/exp.h"
#include "simd.h"

namespace kvs::cpu {
namespace {

using namespace simd;

// Applies f to every vector; the last one may have fewer lanes.
template <Vec (*kFunction)(Vec)>
void map(float* out, const float* x, int64_t count) {
  for (int64_t i = 0; i < count; i += kWidth)
    store_first(out + i, kFunction(load_first(x + i, count - i)), count - i);
}

template <typename T, void (*kStore)(T*, Vec)>
void narrow(T* out, const float* x, int64_t count) {
  for (int64_t i = 0; i < count; i += kWidth) kStore(out + i, load(x + i));
}

template <typename T, Vec (*kLoad)(const T*)>
void widen(float* out, const T* x, int64_t count) {
  for (int64_t i = 0; i < count; i += kWidth) store(out + i, kLoad(x + i));
}

float sum_one(const float* x) {
  return simd::sum(load(x));
}
float max_one(const float* x) {
  return simd::max_lane(load(x));
}
void max_two(float* out, const float* x, const float* y) {
  store(out, simd::max(load(x), load(y)));
}
void choose(float* out, const float* x, const float* y, int64_t count) {
  store(out, simd::first_lanes(count, load(x), load(y)));
}

}  // namespace

SimdProbe probe_of(Simd) {
  return {.width = kWidth,
          .exp = map<simd::exp>,
          .round = map<simd::round>,
          .to_f16 = narrow<uint16_t, store_f16>,
          .from_f16 = widen<uint16_t, load_f16>,
          .to_bf16 = narrow<uint16_t, store_bf16>,
          .from_bf16 = widen<uint16_t, load_bf16>,
          .to_i8 = narrow<int8_t, store_i8>,
          .from_i8 = widen<int8_t, load_i8>,
          .sum = sum_one,
          .max_lane = max_one,
          .max = max_two,
          .first_lanes = choose};
}

}  // namespace kvs::cpu
