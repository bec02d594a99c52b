#include "support/level_test.h"

namespace kvs::cpu {

// Takes the place of levels_x86.cpp: the emulated level stands in for the real one.
const Kernels* find_kernels(Level level) {
  const bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  return level == Level::avx512 && runs ? &kernels_of(avx512::Simd{}) : nullptr;
}

}  // namespace kvs::cpu

namespace kvs::test {

const std::vector<TestLevel>& test_levels() {
  using namespace cpu;
  static const std::vector<TestLevel> levels{
      {"avx512_emulated", find_kernels(Level::avx512), [] { return probe_of(avx512::Simd{}); }}};
  return levels;
}

}  // namespace kvs::test
