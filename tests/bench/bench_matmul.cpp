// Matrix products at the shapes of SmolLM2-135M beside what the machine can do, measured right
// before and after each sample on the same number of threads: many rows beside a multiply-add loop
// on registers, one row beside a plain read. usage: bench_matmul [threads] [cpu level]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/cpu/kernels.h"
#include "kvs/backend.h"
#include "support/noise.h"

namespace {

using kvs::Buffer, kvs::Compute, kvs::DType, kvs::Shape;

constexpr int kSamples = 31;
constexpr int64_t kReadFloats = int64_t{1} << 24;
constexpr double kSampleSeconds = 0.01;

// One thread's own time does not count when other programs hold the CPU; several threads wait for
// one another, which only the wall clock sees.
class Stopwatch {
 public:
  explicit Stopwatch(int threads)
      : clock_(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC), start_(now()) {}
  double seconds() const { return now() - start_; }

 private:
  double now() const {
    timespec time{};
    clock_gettime(clock_, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  clockid_t clock_;
  double start_;
};

kvs::cpu::Level level_of(const std::string& name) {
  using kvs::cpu::Level;
  return name == "avx512" ? Level::avx512 : name == "avx2" ? Level::avx2 : Level::portable;
}

class Bench {
 public:
  Bench(int threads, const std::string& level)
      : threads_(threads),
        kernels_(*kvs::cpu::find_kernels(level_of(level))),
        pool_(threads),
        backend_(kvs::make_backend({.device = "cpu", .threads = threads, .cpu_level = level})),
        memory_(*backend_, DType::f32, Shape{kReadFloats}) {
    backend_->zero(memory_.tensor().data, kReadFloats * sizeof(float));
  }

  void product(int64_t n, int64_t k, Compute compute, int64_t rows, bool beside_read);

 private:
  // Repeats `body` until enough time has passed; returns seconds per call.
  template <typename Body>
  double time(Body body) {
    const Stopwatch watch(threads_);
    int64_t calls = 0;
    double passed = 0;
    for (; passed < kSampleSeconds; passed = watch.seconds(), ++calls) body();
    return passed / static_cast<double>(calls);
  }

  double peak_gflops(Compute compute) {
    const auto loop =
        compute == Compute::bf16 ? kernels_.multiply_add_bf16 : kernels_.multiply_add_f32;
    double operations = 0;
    const double seconds = time([&] {
      std::vector<double> done(static_cast<size_t>(4 * threads_));
      pool_.parallel_for(4 * threads_, [&](int64_t part) {
        float unused = 0;
        done[part] = loop(8192, &unused);
      });
      operations = 0;
      for (double part : done) operations += part;
    });
    return operations / seconds / 1e9;
  }

  double read_gb_per_s() {
    const auto* data = static_cast<const float*>(memory_.tensor().data);
    const double seconds = time([&] {
      pool_.parallel_for(kReadFloats >> 18,
                         [&](int64_t part) { kernels_.add_up(data + (part << 18), 1 << 18); });
    });
    return static_cast<double>(kReadFloats) * sizeof(float) / seconds / 1e9;
  }

  int threads_;
  const kvs::cpu::Kernels& kernels_;
  kvs::ThreadPool pool_;
  std::unique_ptr<kvs::Backend> backend_;
  Buffer memory_;  // read to see what memory allows
};

void Bench::product(int64_t n, int64_t k, Compute compute, int64_t rows, bool beside_read) {
  const auto fill = [&](int64_t, int64_t count, float* out) {
    const auto values = kvs::test::noise(count * k, 2);
    std::copy(values.begin(), values.end(), out);
  };
  const auto w = backend_->make_matrix(n, k, fill, compute);
  const Buffer x(*backend_, DType::f32, Shape{rows, k}), out(*backend_, DType::f32, Shape{rows, n});
  const auto values = kvs::test::noise(rows * k, 3);
  backend_->upload(x.tensor().data, values.data(), values.size() * sizeof(float));

  const double unit = beside_read ? static_cast<double>(w->bytes())
                                  : 2.0 * static_cast<double>(rows) * static_cast<double>(n * k);
  const auto limit = [&] { return beside_read ? read_gb_per_s() : peak_gflops(compute); };
  std::vector<double> rates, shares;
  for (int sample = 0; sample < kSamples; ++sample) {
    const double before = limit();
    const double seconds = time([&] { backend_->matmul(out.tensor(), x.tensor(), *w); });
    rates.push_back(unit / seconds / 1e9);
    shares.push_back(rates.back() / (0.5 * (before + limit())));
  }
  std::sort(rates.begin(), rates.end());
  std::sort(shares.begin(), shares.end());
  fmt::print("{:>5} x {:<5} {:<4} {:>5} rows {:>8.1f} {}  share {:.3f}  (p10 {:.3f}, p90 {:.3f})\n",
             n, k, compute == Compute::bf16 ? "bf16" : "f32", rows, rates[kSamples / 2],
             beside_read ? "GB/s   " : "GFLOP/s", shares[kSamples / 2], shares[kSamples / 10],
             shares[kSamples - 1 - kSamples / 10]);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  const std::string level = argc > 2 ? argv[2] : "avx2";
  if (!kvs::cpu::find_kernels(level_of(level))) {
    fmt::print(stderr, "bench_matmul: this CPU lacks {}\n", level);
    return 1;
  }

  Bench bench(threads, level);
  for (const Compute compute : {Compute::bf16, Compute::f32}) {
    for (const int64_t rows : {10, 32, 512, 2048}) {
      bench.product(960, 576, compute, rows, false);
      bench.product(576, 576, compute, rows, false);
      bench.product(3072, 576, compute, rows, false);
      bench.product(576, 1536, compute, rows, false);
    }
    for (const int64_t rows : {1, 2, 4, 8}) bench.product(49152, 576, compute, rows, true);
  }
}
