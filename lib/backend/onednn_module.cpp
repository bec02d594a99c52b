#include "backend/onednn_module.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <oneapi/dnnl/dnnl.hpp>

namespace {

using dnnl::memory;

constexpr memory::dim kExtent = 1024;  // of all three sides: 2 GFLOP
constexpr int kRepeats = 7;

memory make_memory(const memory::desc& shape, const dnnl::engine& engine) {
  memory made(shape, engine);
  std::memset(made.get_data_handle(), 0,
              shape.get_size());  // touch the pages before the clock runs
  return made;
}

// Weights are in whatever layout the library likes best, as a program would keep them.
double measure_gflops(memory::data_type type) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::dims square{kExtent, kExtent};
  const memory::desc plain(square, type, memory::format_tag::ab);
  const memory::desc any(square, type, memory::format_tag::any);
  const memory::desc sums(square, memory::data_type::f32, memory::format_tag::ab);
  const dnnl::matmul::primitive_desc shape(dnnl::matmul::desc(plain, any, sums), engine);
  const dnnl::matmul product(shape);
  const std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, make_memory(shape.src_desc(), engine)},
      {DNNL_ARG_WEIGHTS, make_memory(shape.weights_desc(), engine)},
      {DNNL_ARG_DST, make_memory(shape.dst_desc(), engine)}};

  std::array<double, kRepeats> rates{};
  for (double& rate : rates) {
    const auto start = std::chrono::steady_clock::now();
    product.execute(stream, arguments);
    stream.wait();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    rate = 2.0 * kExtent * kExtent * kExtent / seconds.count() / 1e9;
  }
  std::nth_element(rates.begin(), rates.begin() + kRepeats / 2, rates.end());
  return rates[kRepeats / 2];
}

}  // namespace

double kvs_onednn_gemm_gflops(bool bf16, int threads) {
  const int threads_before = omp_get_max_threads();
  omp_set_num_threads(threads);
  double gflops = 0;
  try {
    gflops = measure_gflops(bf16 ? memory::data_type::bf16 : memory::data_type::f32);
  } catch (const dnnl::error&) {
    // Most CPUs have no bf16 products: nothing to compare with.
  }
  omp_set_num_threads(threads_before);
  return gflops;
}
