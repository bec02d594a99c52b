#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>

#include "backend/cpu_backend.h"
#include "backend/library_gemm.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepeats = 5;
constexpr int kLoops = 8;               // for each thread: one that comes late does not spoil it
constexpr double kLoopSeconds = 0.002;  // of each
constexpr int64_t kTrialRounds = 4096;
constexpr size_t kTimedBytes = size_t{1} << 30;
constexpr size_t kPartFloats = size_t{1} << 18;

// The median of several measurements; `measure` returns a rate.
template <typename Measure>
double median_rate(Measure measure) {
  std::array<double, kRepeats> rates{};
  for (double& rate : rates) rate = measure();
  std::nth_element(rates.begin(), rates.begin() + kRepeats / 2, rates.end());
  return rates[kRepeats / 2];
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double multiply_add_gflops(const cpu::Kernels& kernels, ThreadPool& pool, Compute compute) {
  const auto loop = compute == Compute::bf16 ? kernels.multiply_add_bf16 : kernels.multiply_add_f32;
  float unused = 0;
  const auto trial = Clock::now();
  loop(kTrialRounds, &unused);
  const double rounds_per_second = kTrialRounds / seconds_since(trial);
  const auto rounds = std::max<int64_t>(1, static_cast<int64_t>(rounds_per_second * kLoopSeconds));

  return median_rate([&] {
    std::atomic<double> operations = 0;
    const auto start = Clock::now();
    pool.parallel_for(kLoops * pool.size(), [&](int64_t) {
      float sum = 0;
      operations += loop(rounds, &sum);
    });
    return operations / seconds_since(start) / 1e9;
  });
}

double read_gigabytes_per_second(const cpu::Kernels& kernels, ThreadPool& pool) {
  const CpuMemory memory = make_cpu_memory(kTimedBytes);
  auto* data = reinterpret_cast<float*>(memory.get());
  constexpr auto kParts = static_cast<int64_t>(kTimedBytes / sizeof(float) / kPartFloats);
  pool.parallel_for(kParts, [&](int64_t part) {
    std::fill_n(data + part * kPartFloats, kPartFloats, 1.0F);  // else all pages are one of zeros
  });
  return median_rate([&] {
    const auto start = Clock::now();
    std::atomic<float> total = 0;
    pool.parallel_for(kParts, [&](int64_t part) {
      total += kernels.add_up(data + part * kPartFloats, kPartFloats);
    });
    return static_cast<double>(kTimedBytes) / seconds_since(start) / 1e9;
  });
}

}  // namespace

MachineLimits CpuBackend::measure_limits(Compute compute) {
  return {.gemm_gflops = std::max(multiply_add_gflops(kernels_, pool_, compute),
                                  library_gemm_gflops(compute, pool_.size())),
          .read_gb_per_s = read_gigabytes_per_second(kernels_, pool_)};
}

}  // namespace kvs
