#include "support/device_test.h"

namespace kvs::test {

const std::vector<TestDevice>& test_devices() {
  static const std::vector<TestDevice> devices{
      {"cpu_avx512_emulated", {.device = "cpu", .threads = 3, .cpu_level = "avx512"}}};
  return devices;
}

}  // namespace kvs::test
