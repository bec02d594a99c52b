#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "kernels/cpu/kernels.h"
#include "support/simd_probe.h"

namespace kvs::test {

/// One instruction-set level of the CPU kernels.
struct TestLevel {
  const char* name;
  const cpu::Kernels* kernels;  ///< null where this machine cannot run it
  cpu::SimdProbe (*probe)();

  friend std::ostream& operator<<(std::ostream& out, const TestLevel& level) {
    return out << level.name;
  }
};

/// The levels linked into this test program: the native ones, or AVX-512 emulated by SIMDe.
const std::vector<TestLevel>& test_levels();

/// A test that runs once per level, and says so where this CPU lacks one.
class LevelTest : public testing::TestWithParam<TestLevel> {
 protected:
  void SetUp() override {
    if (!GetParam().kernels) GTEST_SKIP() << "this CPU lacks " << GetParam().name;
  }
};

inline std::string level_test_name(const testing::TestParamInfo<TestLevel>& info) {
  return info.param.name;
}

}  // namespace kvs::test
