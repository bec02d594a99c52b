// Attention at the shape of SmolLM2-135M, over the layers in turn so that the cache comes from
// memory as it does in a model, beside a multiply-add loop on registers that is measured before and
// after each sample on the same number of threads. usage: bench_attention [threads] [cpu level]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/cpu/kernels.h"
#include "kvs/backend.h"
#include "support/noise.h"
#include "support/reference_attention.h"

namespace {

using namespace kvs;

constexpr int kSamples = 21;
constexpr int kLayers = 30;
constexpr double kSampleSeconds = 0.01;

// One thread's own time does not count when other programs hold the CPU; several threads wait for
// one another, which only the wall clock sees.
double now(int threads) {
  timespec time{};
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

cpu::Level level_of(const std::string& name) {
  using cpu::Level;
  return name == "avx512" ? Level::avx512 : name == "avx2" ? Level::avx2 : Level::portable;
}

struct Case {
  const char* name;
  int32_t rows, cached;
  DType type = DType::f16;
  int32_t run = kBlockTokens;  ///< rows of a run
  bool shifted = false;        ///< every other run by another shift
};

AttentionConfig smollm2(DType type) {
  AttentionConfig config;
  config.heads = 9;
  config.kv = {kLayers, 3, 64, type};
  config.scale = 0.125F;
  for (int i = 0; i < 32; ++i) {
    config.inverse_frequencies.push_back(std::pow(100000.0, -i / 32.0));
  }
  return config;
}

class Bench {
 public:
  Bench(int threads, const std::string& level)
      : threads_(threads),
        kernels_(*cpu::find_kernels(level_of(level))),
        pool_(threads),
        backend_(make_backend({.device = "cpu", .threads = threads, .cpu_level = level})) {}

  void run(const Case& what);

 private:
  /// Repeats `body` until enough time has passed; returns seconds per call.
  template <typename Body>
  double time(Body body) {
    const double start = now(threads_);
    int64_t calls = 0;
    double passed = 0;
    for (; passed < kSampleSeconds; passed = now(threads_) - start, ++calls) body();
    return passed / static_cast<double>(calls);
  }

  double peak_gflops() {
    double operations = 0;
    const double seconds = time([&] {
      std::vector<double> done(static_cast<size_t>(4 * threads_));
      pool_.parallel_for(4 * threads_, [&](int64_t part) {
        float unused = 0;
        done[static_cast<size_t>(part)] = kernels_.multiply_add_f32(8192, &unused);
      });
      operations = 0;
      for (const double part : done) operations += part;
    });
    return operations / seconds / 1e9;
  }

  /// The batch of a case; its blocks are in `blocks`.
  test::SceneBatch make_batch(const Case& what, std::vector<std::byte>& blocks) const;
  void check(const test::SceneBatch& batch, const Buffer& out) const;

  int threads_;
  const cpu::Kernels& kernels_;
  ThreadPool pool_;
  std::unique_ptr<Backend> backend_;
};

test::SceneBatch Bench::make_batch(const Case& what, std::vector<std::byte>& blocks) const {
  test::SceneBatch batch{smollm2(what.type), {}, {}};
  const size_t bytes = batch.config.kv.block_bytes();
  const int32_t total = what.cached + what.rows;
  blocks.resize(bytes * static_cast<size_t>((total + kBlockTokens - 1) / kBlockTokens));
  const auto values = test::noise(1 << 16, 1);
  for (size_t at = 0; at + 1 < blocks.size(); at += 2) {
    // f16 between -1 and 1; as q8 with its scales: bytes, and numbers below 1.
    const uint16_t bits = test::f16_bits(values[at / 2 % values.size()]);
    std::memcpy(blocks.data() + at, &bits, 2);
  }
  BatchSequence& view = batch.layout.sequences.emplace_back();
  for (int32_t position = 0, count = 0; position < total; position += count) {
    const int32_t slot = position % kBlockTokens;
    count = std::min({what.run, kBlockTokens - slot, total - position});
    std::byte* block = blocks.data() + bytes * static_cast<size_t>(position / kBlockTokens);
    const bool shifted = what.shifted && position / what.run % 2 == 1;
    view.runs.push_back({block, slot, count, position, shifted ? position + 1 : 0});
  }
  for (int32_t row = 0; row < what.rows; ++row) {
    batch.layout.rows.push_back({0, what.cached + row, nullptr, 0});
  }
  batch.qkv = test::noise(what.rows * static_cast<int64_t>(batch.qkv_width()), 3);
  return batch;
}

/// The last row of what layer 1 gave.
void Bench::check(const test::SceneBatch& batch, const Buffer& out) const {
  const size_t last = batch.layout.rows.size() - 1;
  const auto want = test::reference_attention(batch.only({last}));
  const float* got = static_cast<const float*>(out.tensor().data) + last * batch.width();
  for (size_t i = 0; i < want.size(); ++i) {
    if (!(std::abs(got[i] - want[i]) < 1e-4)) {
      fmt::print(stderr, "bench_attention: wrong result\n");
      std::exit(1);
    }
  }
}

void Bench::run(const Case& what) {
  std::vector<std::byte> blocks;
  const test::SceneBatch batch = make_batch(what, blocks);
  const auto width = static_cast<int64_t>(batch.width());
  const Buffer qkv(*backend_, DType::f32, {what.rows, static_cast<int64_t>(batch.qkv_width())});
  const Buffer out(*backend_, DType::f32, {what.rows, width});
  backend_->upload(qkv.tensor().data, batch.qkv.data(), batch.qkv.size() * sizeof(float));
  const auto plan = backend_->plan_batch(batch.layout, batch.config);
  backend_->attention(out.tensor(), qkv.tensor(), *plan, test::AttentionScene::kLayer);
  check(batch, out);

  double operations = 0;
  const double per_score = 4.0 * static_cast<double>(width);  // of all heads
  for (const BatchRow& row : batch.layout.rows) operations += per_score * (row.position + 1);
  const double cache_bytes =
      static_cast<double>(batch.config.kv.token_bytes()) / kLayers * (what.cached + what.rows);
  std::vector<double> times, shares;
  int layer = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    const double before = peak_gflops();
    times.push_back(
        time([&] { backend_->attention(out.tensor(), qkv.tensor(), *plan, layer++ % kLayers); }));
    const double peak = 0.5 * (before + peak_gflops());
    shares.push_back(operations / times.back() / 1e9 / peak);
  }
  std::sort(times.begin(), times.end());
  std::sort(shares.begin(), shares.end());
  const double plan_seconds = time([&] { backend_->plan_batch(batch.layout, batch.config); });
  fmt::print(
      "{:<34} {:>8.3f} ms a layer  share of peak {:.3f}  (p10 {:.3f}, p90 {:.3f})  "
      "cache {:>5.1f} GB/s  plan {:.3f} ms\n",
      what.name, times[kSamples / 2] * 1e3, shares[kSamples / 2], shares[kSamples / 10],
      shares[kSamples - 1 - kSamples / 10], cache_bytes / times[kSamples / 2] / 1e9,
      plan_seconds * 1e3);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  const std::string level = argc > 2 ? argv[2] : "avx2";
  if (!cpu::find_kernels(level_of(level))) {
    fmt::print(stderr, "bench_attention: this CPU lacks {}\n", level);
    return 1;
  }

  Bench bench(threads, level);
  for (const Case& what : std::vector<Case>{{"prefill 512", 512, 0},
                                            {"prefill 2048", 2048, 0},
                                            {"256 rows behind 2048", 256, 2048},
                                            {"32 rows behind 2048", 32, 2048},
                                            {"10 rows behind 2048", 10, 2048},
                                            {"10 behind 128 runs of 16", 10, 2048, DType::f16, 16},
                                            {"10 behind 64 shifts", 10, 2048, DType::f16, 16, true},
                                            {"1 row behind 2048", 1, 2048},
                                            {"1 row behind 8192", 1, 8192},
                                            {"1 row behind 2048, q8", 1, 2048, DType::q8},
                                            {"1 row behind 2048, f32", 1, 2048, DType::f32},
                                            {"10 rows behind 2048, q8", 10, 2048, DType::q8}}) {
    bench.run(what);
  }
}
