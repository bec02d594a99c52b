#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "backend/cuda_gemm.h"
#include "base/half.h"
#include "support/emulated_cuda/capture.h"
#include "support/emulated_cuda/faults.h"

namespace kvs::emulated {
namespace {

std::map<void*, size_t> blocks;  // of the device's memory
size_t taken;
cudaError_t pending = cudaSuccess, sticky = cudaSuccess;

using Graph = std::vector<std::function<void()>>;
Graph* captured = nullptr;  // what is being captured, if anything is
bool broken = false;        // by something that cannot be captured

/// What the calls return that a capture does not allow.
cudaError_t outside_capture() {
  if (!captured) return surfaced();
  broken = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace

Faults faults;
int64_t refusals, replays;

void submit(std::function<void()> work) {
  if (captured)
    captured->push_back(std::move(work));
  else
    work();
}

void fault() {
  pending = cudaErrorIllegalAddress;
}

cudaError_t surfaced() {
  return sticky = pending;
}

void heal() {
  faults = {};
  pending = sticky = cudaSuccess;
  refusals = replays = 0;
}

size_t bytes_in_use() {
  return taken;
}

}  // namespace kvs::emulated

namespace {

using namespace kvs::emulated;

void* aligned(size_t bytes) {
  void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (memory) std::memset(memory, 0xFF, bytes);  // NaN: what is not written shows
  return memory;
}

}  // namespace

// The calls of CUDA's runtime that the backend makes, over the host's memory, in order, and its
// matrix product by definition.
extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = faults.devices;
  return faults.count_status;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "emulated");
  properties->major = faults.major;
  properties->multiProcessorCount = 3;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) {
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = reinterpret_cast<cudaMemPool_t>(pool);
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (const cudaError_t status = outside_capture(); status != cudaSuccess) return status;
  *memory =
      bytes > faults.memory_bytes - std::min(taken, faults.memory_bytes) ? nullptr : aligned(bytes);
  refusals += !*memory;
  if (!*memory) return cudaErrorMemoryAllocation;
  blocks[*memory] = bytes;
  taken += bytes;
  return cudaSuccess;
}
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  return cudaMalloc(memory, bytes);
}
cudaError_t cudaFree(void* memory) {
  outside_capture();
  taken -= blocks[memory];
  blocks.erase(memory);
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  return cudaFree(memory);
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  *memory = aligned(bytes);
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* all) {
  *all = faults.memory_bytes;
  *free = faults.memory_bytes - std::min(taken, faults.memory_bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  const cudaError_t status = outside_capture();
  if (status == cudaSuccess) std::memcpy(to, from, bytes);
  return status;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t) {
  submit([=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return outside_capture();
}
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  if (!faults.captures || captured) return cudaErrorStreamCaptureUnsupported;
  captured = new Graph;
  broken = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = reinterpret_cast<cudaGraph_t>(std::exchange(captured, nullptr));
  return broken ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* launches, cudaGraph_t graph, unsigned long long) {
  *launches = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t launches, cudaStream_t) {
  if (const cudaError_t status = outside_capture(); status != cudaSuccess) return status;
  ++replays;
  for (const auto& work : *reinterpret_cast<Graph*>(launches)) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t launches) {
  delete reinterpret_cast<Graph*>(launches);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = nullptr;
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return cudaEventCreate(event);
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t) {
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return sticky;
}
const char* cudaGetErrorString(cudaError_t) {
  return "an error of the emulation";
}

const char* cublasLtGetStatusString(cublasStatus_t) {
  return "an error of the emulation";
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) {
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"

namespace kvs {

CudaGemm::CudaGemm(CudaMemory& memory) : stream_(memory.stream()) {}

namespace {

void multiply_now(const CudaProduct& p) {
  const auto element = [&](const void* matrix, int64_t index) {
    return p.bf16 ? bf16_to_f32(static_cast<const uint16_t*>(matrix)[index])
                  : static_cast<const float*>(matrix)[index];
  };
  for (int64_t row = 0; row < p.rows; ++row)
    for (int64_t column = 0; column < p.n; ++column) {
      double sum = p.bias ? p.bias[column] : 0.0;
      if (p.accumulate) sum += p.out[row * p.n + column];
      for (int64_t k = 0; k < p.stride; ++k)
        sum += double{element(p.x, row * p.stride + k)} * element(p.w, column * p.stride + k);
      p.out[row * p.n + column] = static_cast<float>(sum);
    }
}

}  // namespace

void CudaGemm::multiply(const CudaProduct& product) {
  emulated::submit([=] { multiply_now(product); });
}

}  // namespace kvs
