#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <string_view>
#include <type_traits>

#include "kvs/error.h"

namespace kvs {

/// Throws Error(memory) where there is none left, else Error(device); both name the operation.
inline void check(cudaError_t status, std::string_view operation) {
  if (status == cudaSuccess) return;
  const bool memory = status == cudaErrorMemoryAllocation;
  if (memory) cudaGetLastError();  // not sticky: the next operation may succeed
  fail(memory ? ErrorKind::memory : ErrorKind::device, "cuda: {} failed: {}", operation,
       cudaGetErrorString(status));
}

inline void check(cublasStatus_t status, std::string_view operation) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const bool memory = status == CUBLAS_STATUS_ALLOC_FAILED;
  fail(memory ? ErrorKind::memory : ErrorKind::device, "cuda: {} failed: {}", operation,
       cublasLtGetStatusString(status));
}

/// Frees the handles of the two libraries.
struct DestroyCuda {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
  void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
  void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDesc_t desc) const { cublasLtMatmulDescDestroy(desc); }
  void operator()(cublasLtMatrixLayout_t layout) const { cublasLtMatrixLayoutDestroy(layout); }
  void operator()(cublasLtMatmulPreference_t preference) const {
    cublasLtMatmulPreferenceDestroy(preference);
  }
};
template <typename Handle>
using CudaHandle = std::unique_ptr<std::remove_pointer_t<Handle>, DestroyCuda>;

inline CudaHandle<cudaStream_t> make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create stream");
  return CudaHandle<cudaStream_t>(stream);
}

/// For order; with cudaEventDefault for time, too.
inline CudaHandle<cudaEvent_t> make_event(unsigned flags = cudaEventDisableTiming) {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, flags), "create event");
  return CudaHandle<cudaEvent_t>(event);
}

}  // namespace kvs
