#include "kvs/backend.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>

#include "backend/cpu_backend.h"
#include "backend/cpu_levels.h"
#include "backend/cuda_module.h"
#include "base/cpu_count.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr int kMaxThreads = 1024;

// libkvs_cuda.so, which lies beside libkvs.so where the build had nvcc.
struct CudaModule {
  decltype(&kvs_cuda_device_count) device_count = nullptr;
  decltype(&kvs_new_cuda_backend) new_backend = nullptr;
  std::string missing{};  // why the two are null
};

// The module brings in libraries of half a gigabyte; that there is no driver can be known before.
CudaModule load_cuda_module() {
  if (!dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL))
    return {.missing = "no CUDA device: NVIDIA's driver (libcuda.so.1) is not installed"};
  void* library = dlopen("libkvs_cuda.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) return {.missing = fmt::format("no CUDA backend: {}", dlerror())};

  CudaModule module;
  module.device_count =
      reinterpret_cast<decltype(module.device_count)>(dlsym(library, "kvs_cuda_device_count"));
  module.new_backend =
      reinterpret_cast<decltype(module.new_backend)>(dlsym(library, "kvs_new_cuda_backend"));
  if (!module.device_count || !module.new_backend)
    return {.missing = "no CUDA backend: libkvs_cuda.so is not of this version"};
  return module;
}

const CudaModule& cuda_module() {
  static const CudaModule module = load_cuda_module();
  return module;
}

std::unique_ptr<Backend> make_cuda_backend(int device, const BackendOptions& options) {
  if (options.deterministic)
    fail(ErrorKind::device, "no deterministic kernels for CUDA yet: those of the CPU are");
  const CudaModule& cuda = cuda_module();
  if (!cuda.new_backend) fail(ErrorKind::device, "{}", cuda.missing);
  return std::unique_ptr<Backend>(cuda.new_backend(device, options.note));
}

// The number in "cuda" (0) and "cuda:N"; none where the text is neither.
std::optional<int> find_cuda_number(std::string_view device) {
  if (device == "cuda") return 0;
  if (!device.starts_with("cuda:")) return {};
  const std::string_view digits = device.substr(5);
  int number = -1;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  if (error != std::errc() || end != digits.end() || number < 0) return {};
  return number;
}

// What "auto" takes where it can; null, after a word on why, where it cannot.
std::unique_ptr<Backend> find_cuda_backend(const BackendOptions& options) {
  try {
    return make_cuda_backend(0, options);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::device && error.kind() != ErrorKind::memory) throw;
    if (options.note) options.note(error.what());
    return nullptr;
  }
}

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const std::string& level, int threads) {
  if (threads < 0 || threads > kMaxThreads)
    fail(ErrorKind::argument, "the number of threads is {}, expected 0 to {}", threads,
         kMaxThreads);
  return std::make_unique<CpuBackend>(get_cpu_kernels(level),
                                      threads == 0 ? usable_cpus() : threads);
}

std::unique_ptr<Backend> make_backend(const BackendOptions& options) {
  const std::string& device = options.device;
  if (device == "auto")
    if (auto found = find_cuda_backend(options)) return found;
  if (device == "cpu" || device == "auto")
    return make_cpu_backend(options.cpu_level, options.threads);
  if (const auto number = find_cuda_number(device)) return make_cuda_backend(*number, options);
  fail(ErrorKind::argument, "unknown device '{}', expected auto, cpu, cuda or cuda:N", device);
}

}  // namespace kvs
