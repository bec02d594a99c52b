#include <algorithm>
#include <array>

#include "backend/cuda_backend.h"
#include "kernels/cuda/kernels.h"

namespace kvs {
namespace {

constexpr int kRepeats = 7;
constexpr int64_t kExtent = 8192;                  // of all three sides in bf16: 1.1 TFLOP
constexpr int64_t kF32Extent = 4096;               // f32 takes ten times as long
constexpr int64_t kReadFloats = int64_t{1} << 28;  // 1 GB: many times any cache

}  // namespace

// The first run, which loads code and finds algorithms, does not count.
template <typename Work>
double CudaBackend::median_seconds(Work work) {
  const auto start = make_event(cudaEventDefault), stop = make_event(cudaEventDefault);
  std::array<float, kRepeats> times{};
  work();
  for (float& milliseconds : times) {
    check(cudaEventRecord(start.get(), use()), "measure_limits");
    work();
    check(cudaEventRecord(stop.get(), use()), "measure_limits");
    synchronize();
    check(cudaEventElapsedTime(&milliseconds, start.get(), stop.get()), "measure_limits");
  }
  std::nth_element(times.begin(), times.begin() + kRepeats / 2, times.end());
  return times[kRepeats / 2] * 1e-3;
}

// On random numbers: products of zeros run faster than any real ones.
double CudaBackend::gemm_gflops(bool bf16) {
  const int64_t extent = bf16 ? kExtent : kF32Extent, count = extent * extent;
  const size_t bytes = static_cast<size_t>(count) * (bf16 ? 2 : 4);
  const CudaBuffer a(memory_, bytes), b(memory_, bytes);
  const CudaBuffer out(memory_, static_cast<size_t>(count) * sizeof(float));
  queue("measure_limits",
        [&](cudaStream_t stream) { return cuda::fill_noise(a.data(), bf16, count, 1, stream); });
  queue("measure_limits",
        [&](cudaStream_t stream) { return cuda::fill_noise(b.data(), bf16, count, 2, stream); });
  const double seconds = median_seconds([&] {
    gemm_.multiply({.out = reinterpret_cast<float*>(out.data()),
                    .x = a.data(),
                    .w = b.data(),
                    .bias = nullptr,
                    .rows = extent,
                    .n = extent,
                    .stride = extent,
                    .bf16 = bf16,
                    .accumulate = false});
  });
  const auto side = static_cast<double>(extent);
  return 2 * side * side * side / seconds * 1e-9;
}

double CudaBackend::read_gigabytes_per_second() {
  constexpr double kBytes = static_cast<double>(kReadFloats) * sizeof(float);
  const CudaBuffer data(memory_, static_cast<size_t>(kBytes)), sum(memory_, sizeof(float));
  auto* values = reinterpret_cast<float*>(data.data());
  auto* total = reinterpret_cast<float*>(sum.data());
  queue("measure_limits", [&](cudaStream_t stream) {
    return cuda::fill_noise(values, false, kReadFloats, 3, stream);
  });
  zero(total, sizeof(float));
  const double seconds = median_seconds([&] {
    queue("measure_limits",
          [&](cudaStream_t stream) { return cuda::add_up(total, values, kReadFloats, stream); });
  });
  return kBytes / seconds * 1e-9;
}

MachineLimits CudaBackend::measure_limits(Compute compute) {
  return {.gemm_gflops = gemm_gflops(compute == Compute::bf16),
          .read_gb_per_s = read_gigabytes_per_second()};
}

}  // namespace kvs
