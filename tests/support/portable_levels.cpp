#include "support/level_test.h"

namespace kvs::test {

const std::vector<TestLevel>& test_levels() {
  using namespace cpu;
  static const std::vector<TestLevel> levels{
      {"portable", find_kernels(Level::portable), [] { return probe_of(portable::Simd{}); }}};
  return levels;
}

}  // namespace kvs::test
