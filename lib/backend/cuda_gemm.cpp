#include "backend/cuda_gemm.h"

#include <algorithm>

namespace kvs {
namespace {

constexpr size_t kWorkspace = size_t{32} << 20;  // what NVIDIA recommends for sm_90
constexpr uintptr_t kMostAlignment = 256;

template <typename T>
void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, T value) {
  check(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof(value)), "matmul");
}
template <typename T>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
         T value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)),
        "matmul");
}

CudaHandle<cublasLtMatrixLayout_t> layout(cudaDataType_t type, int64_t rows, int64_t cols) {
  cublasLtMatrixLayout_t made = nullptr;
  check(cublasLtMatrixLayoutCreate(&made, type, rows, cols, rows), "matmul");
  return CudaHandle<cublasLtMatrixLayout_t>(made);
}

CudaHandle<cublasLtHandle_t> make_handle() {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "cublasLt");
  return CudaHandle<cublasLtHandle_t>(handle);
}

/// The power of two that the pointers of the three matrices and the bias are multiples of.
int common_alignment(const CudaProduct& product) {
  const auto bits = reinterpret_cast<uintptr_t>(product.out) |
                    reinterpret_cast<uintptr_t>(product.x) |
                    reinterpret_cast<uintptr_t>(product.w) |
                    reinterpret_cast<uintptr_t>(product.bias) | kMostAlignment;
  return static_cast<int>(bits & (~bits + 1));
}

}  // namespace

CudaGemm::CudaGemm(CudaMemory& memory)
    : stream_(memory.stream()), workspace_(memory, kWorkspace), handle_(make_handle()) {}

// cuBLAS is column-major: it reads our row-major [a, b] as [b, a], so out^T = (w^T)^T x^T.
CudaGemm::Plan CudaGemm::make_plan(const Key& key, const float* bias) const {
  const cudaDataType_t type = key.bf16 ? CUDA_R_16BF : CUDA_R_32F;
  Plan plan;
  cublasLtMatmulDesc_t operation = nullptr;
  check(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "matmul");
  plan.operation.reset(operation);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
  if (key.bias) {
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
  plan.w = layout(type, key.stride, key.n);
  plan.x = layout(type, key.stride, key.rows);
  plan.out = layout(CUDA_R_32F, key.n, key.rows);

  cublasLtMatmulPreference_t made = nullptr;
  check(cublasLtMatmulPreferenceCreate(&made), "matmul");
  const CudaHandle<cublasLtMatmulPreference_t> preference(made);
  set(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
  for (const auto which :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    set(made, which, static_cast<uint32_t>(key.alignment));

  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle_.get(), operation, plan.w.get(), plan.x.get(),
                                     plan.out.get(), plan.out.get(), made, 1, &result, &found);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "matmul");
  if (found == 0 || result.state != CUBLAS_STATUS_SUCCESS)
    fail(
        ErrorKind::device,
        "cuda: matmul: cublasLt has no algorithm for [{}, {}] times [{}, {}] in {}{}{}, aligned to "
        "{} bytes",
        key.rows, key.stride, key.n, key.stride, key.bf16 ? "bf16" : "f32",
        key.bias ? ", with a bias" : "", key.accumulate ? ", added to what is there" : "",
        key.alignment);
  plan.algorithm = result.algo;
  return plan;
}

const CudaGemm::Plan& CudaGemm::plan_for(const CudaProduct& product) {
  const Key key{.rows = product.rows,
                .n = product.n,
                .stride = product.stride,
                .alignment = common_alignment(product),
                .bf16 = product.bf16,
                .accumulate = product.accumulate,
                .bias = product.bias != nullptr};
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second;
  return plans_.emplace(key, make_plan(key, product.bias)).first->second;
}

void CudaGemm::multiply(const CudaProduct& product) {
  const Plan& plan = plan_for(product);
  if (product.bias) set(plan.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, product.bias);
  const float one = 1, added = product.accumulate ? 1 : 0;
  check(cublasLtMatmul(handle_.get(), plan.operation.get(), &one, product.w, plan.w.get(),
                       product.x, plan.x.get(), &added, product.out, plan.out.get(), product.out,
                       plan.out.get(), &plan.algorithm, workspace_.data(), kWorkspace, stream_),
        "matmul");
}

}  // namespace kvs
