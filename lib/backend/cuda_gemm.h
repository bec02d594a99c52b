#pragma once

#include <cstdint>
#include <map>

#include "backend/cuda_check.h"
#include "backend/cuda_memory.h"

namespace kvs {

/// out = x w^T (+ bias) (+ out). Row-major: x [rows, k], w [n, k], out [rows, n] and bias [n] in
/// f32. x and w are both bf16, with k and their rows padded to `stride` elements by zeros, or both
/// f32.
struct CudaProduct {
  float* out;
  const void* x;
  const void* w;
  const float* bias;  ///< null: none
  int64_t rows, n, stride;
  bool bf16;
  bool accumulate;
};

/// Matrix products by cuBLASLt. The algorithm for a shape is asked for once and kept; the workspace
/// is fixed: nothing is allocated once every shape has been seen.
class CudaGemm {
 public:
  explicit CudaGemm(CudaMemory& memory);
  void multiply(const CudaProduct& product);

 private:
  struct Key {
    int64_t rows, n, stride;
    int alignment;
    bool bf16, accumulate, bias;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 means a 0 that the compiler writes
    auto operator<=>(const Key&) const = default;
  };
  /// A shape's descriptions and the algorithm found for it.
  struct Plan {
    CudaHandle<cublasLtMatmulDesc_t> operation;
    CudaHandle<cublasLtMatrixLayout_t> w, x, out;
    cublasLtMatmulAlgo_t algorithm;
  };

  const Plan& plan_for(const CudaProduct& product);
  Plan make_plan(const Key& key, const float* bias) const;

  cudaStream_t stream_;
  CudaBuffer workspace_;
  CudaHandle<cublasLtHandle_t> handle_;
  std::map<Key, Plan> plans_;
};

}  // namespace kvs
