#include "kernels/cpu/kernels.h"

namespace kvs::cpu {
namespace {

// Each of these also says whether the operating system keeps the registers.
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}

}  // namespace

const Kernels* find_kernels(Level level) {
  switch (level) {
    case Level::portable:
      return &kernels_of(portable::Simd{});
    case Level::avx2:
      return has_avx2() ? &kernels_of(avx2::Simd{}) : nullptr;
    case Level::avx512:
      return has_avx512() ? &kernels_of(avx512::Simd{}) : nullptr;
  }
  return nullptr;
}

}  // namespace kvs::cpu
