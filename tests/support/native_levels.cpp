#include "support/level_test.h"

namespace kvs::test {

const std::vector<TestLevel>& test_levels() {
  using namespace cpu;
  static const std::vector<TestLevel> levels{
      {"portable", find_kernels(Level::portable), [] { return probe_of(portable::Simd{}); }},
      {"avx2", find_kernels(Level::avx2), [] { return probe_of(avx2::Simd{}); }},
      {"avx512", find_kernels(Level::avx512), [] { return probe_of(avx512::Simd{}); }}};
  return levels;
}

}  // namespace kvs::test
