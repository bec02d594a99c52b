#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

#include "backend/cuda_gemm.h"
#include "base/half.h"
#include "support/emulated_cuda/faults.h"

namespace kvs::emulated {
namespace {

std::map<void*, size_t> blocks;  // of the device's memory
size_t taken;
cudaError_t pending = cudaSuccess, sticky = cudaSuccess;

}  // namespace

Faults faults;
int64_t refusals;

void fault() {
  pending = cudaErrorIllegalAddress;
}

cudaError_t surfaced() {
  return sticky = pending;
}

void heal() {
  faults = {};
  pending = sticky = cudaSuccess;
  refusals = 0;
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
  if (surfaced() != cudaSuccess) return surfaced();
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
  if (surfaced() == cudaSuccess) std::memcpy(to, from, bytes);
  return surfaced();
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t) {
  std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return surfaced();
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

void CudaGemm::multiply(const CudaProduct& p) {
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

}  // namespace kvs
