#include "backend/library_gemm.h"

#include <dlfcn.h>

#include "backend/onednn_module.h"

namespace kvs {
namespace {

using Measure = decltype(&kvs_onednn_gemm_gflops);

Measure load_measure() {
  void* library = dlopen("libkvs_onednn.so", RTLD_NOW | RTLD_LOCAL);
  return library ? reinterpret_cast<Measure>(dlsym(library, "kvs_onednn_gemm_gflops")) : nullptr;
}

}  // namespace

double library_gemm_gflops(Compute compute, int threads) {
  static const Measure measure = load_measure();
  if (!measure) return 0;
  const double bf16 = compute == Compute::bf16 ? measure(true, threads) : 0;
  return bf16 > 0 ? bf16 : measure(false, threads);
}

}  // namespace kvs
