#include "support/device_test.h"

namespace kvs::test {

const std::vector<TestDevice>& test_devices() {
  // Three threads: more than the machine may have, and not a power of two.
  static const std::vector<TestDevice> devices{
      {"cpu_portable", {.device = "cpu", .threads = 3, .cpu_level = "portable"}},
      {"cpu_avx2", {.device = "cpu", .threads = 3, .cpu_level = "avx2"}},
      {"cpu_avx512", {.device = "cpu", .threads = 3, .cpu_level = "avx512"}},
      {"cuda", {.device = "cuda"}}};
  return devices;
}

}  // namespace kvs::test
