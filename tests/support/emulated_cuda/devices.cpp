#include "backend/cuda_module.h"
#include "support/device_test.h"

// The CUDA backend over emulated kernels stands in for the device of every test.
namespace kvs {

std::unique_ptr<Backend> make_backend(const BackendOptions& options) {
  return std::unique_ptr<Backend>(kvs_new_cuda_backend(0, options.note));
}

namespace test {

const std::vector<TestDevice>& test_devices() {
  static const std::vector<TestDevice> devices{{"cuda_emulated", {.device = "cuda"}}};
  return devices;
}

}  // namespace test
}  // namespace kvs
