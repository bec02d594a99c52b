#include "backend/cuda_module.h"

#include <utility>

#include "backend/cuda_backend.h"

namespace kvs {
namespace {

/// Throws Error(device) that says why there is no device to use, or none of this number.
void expect_device(int device) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver)
    fail(ErrorKind::device,
         "no CUDA device: NVIDIA's driver is missing or older than CUDA {}.{} needs",
         CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  if (status != cudaSuccess)
    fail(ErrorKind::device, "no CUDA device: {}", cudaGetErrorString(status));
  if (count == 0) fail(ErrorKind::device, "no CUDA device: this machine has none");
  if (device >= count)
    fail(ErrorKind::device, "no device cuda:{}: this machine has {}, counted from 0", device,
         count);
}

}  // namespace
}  // namespace kvs

int kvs_cuda_device_count() {
  int count = 0;
  // No driver and no device are both "none", not errors: that is how "auto" finds the CPU.
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

kvs::Backend* kvs_new_cuda_backend(int device, std::function<void(std::string_view reason)> note) {
  kvs::expect_device(device);
  return new kvs::CudaBackend(device, std::move(note));
}
