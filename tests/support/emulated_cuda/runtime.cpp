#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/cuda_gemm.h"
#include "base/half.h"
#include "support/emulated_cuda/capture.h"
#include "support/emulated_cuda/faults.h"
#include "support/emulated_cuda/limits.h"

namespace kvs::emulated {
namespace {

std::map<void*, size_t> blocks;  // of the device's memory
size_t taken, most_taken;
cudaError_t pending = cudaSuccess, sticky = cudaSuccess, refused = cudaSuccess;

using Graph = std::vector<std::function<void()>>;
Graph* captured = nullptr;  // what is being captured, if anything is
cudaStream_t captured_on;
bool broken = false;  // by something that cannot be captured

int64_t streams = 0, undone = 0;

/// Work in order, done at once or as late as possible.
struct Stream {
  bool lazy;
  int64_t submitted = 0, done = 0;
  std::deque<std::function<void()>> waiting;

  void submit(std::function<void()> work) {
    ++submitted;
    ++undone;
    waiting.push_back(std::move(work));
    if (!lazy) finish(submitted);
  }
  void finish(int64_t until) {
    while (done < until) {
      const std::function<void()> work = std::move(waiting.front());
      waiting.pop_front();
      ++done;
      --undone;
      work();
    }
  }
};

Stream& stream_of(cudaStream_t stream) {
  return *reinterpret_cast<Stream*>(stream);
}

/// A place in a stream's work; none before it is recorded.
struct Event {
  Stream* stream = nullptr;
  int64_t place = 0;
};
Event& event_of(cudaEvent_t event) {
  return *reinterpret_cast<Event*>(event);
}

// Memory of the host, which any thread may take.
std::mutex pinned_mutex;
std::map<const void*, size_t> pinned;
size_t sum_of_pinned() {
  size_t all = 0;
  for (const auto& [memory, bytes] : pinned) all += bytes;
  return all;
}
bool is_pinned(const void* memory) {
  const std::lock_guard lock(pinned_mutex);
  const auto behind = pinned.upper_bound(memory);
  if (behind == pinned.begin()) return false;
  const auto& [first, bytes] = *std::prev(behind);
  return memory < static_cast<const std::byte*>(first) + bytes;
}

/// Where it does, the next operation may ask for that error too.
bool lacks_memory_for_graph() {
  if (faults.graphs_refused == 0) return false;
  --faults.graphs_refused;
  refused = cudaErrorMemoryAllocation;
  return true;
}

/// What the calls return that a capture does not allow.
cudaError_t outside_capture() {
  if (!captured) return surfaced();
  broken = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace

Faults faults;
int64_t refusals, replays;

void submit(cudaStream_t stream, std::function<void()> work) {
  if (captured && stream == captured_on)
    captured->push_back(std::move(work));
  else
    stream_of(stream).submit(std::move(work));
}

int64_t waiting() {
  return undone;
}

void refuse(cudaError_t reason) {
  refused = reason;
}

void fault() {
  pending = cudaErrorIllegalAddress;
}

cudaError_t surfaced() {
  return sticky = pending;
}

void heal() {
  faults = {};
  pending = sticky = refused = cudaSuccess;
  refusals = replays = 0;
}

size_t bytes_in_use() {
  return taken;
}

size_t pinned_bytes_in_use() {
  const std::lock_guard lock(pinned_mutex);
  return sum_of_pinned();
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
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* value) {
  *static_cast<uint64_t*>(value) = most_taken;
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
  most_taken = std::max(most_taken, taken);
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
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  outside_capture();
  stream_of(stream).submit([=] { cudaFree(memory); });
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  const std::lock_guard lock(pinned_mutex);
  if (sum_of_pinned() + bytes > faults.pinned_bytes) return cudaErrorMemoryAllocation;
  *memory = aligned(bytes);
  pinned[*memory] = bytes;
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* memory) {
  const std::lock_guard lock(pinned_mutex);
  pinned.erase(memory);
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* all) {
  *all = faults.memory_bytes;
  *free = faults.memory_bytes - std::min(taken, faults.memory_bytes);
  return cudaSuccess;
}
// Only pinned memory is read when the copy's turn comes, as the device does.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  if (const cudaError_t status = outside_capture(); status != cudaSuccess) return status;
  Stream& own = stream_of(stream);
  own.submit([=] { std::memcpy(to, from, bytes); });
  if (!is_pinned(from)) own.finish(own.submitted);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  submit(stream, [=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = reinterpret_cast<cudaStream_t>(new Stream{.lazy = streams++ > 0 || faults.all_late});
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const cudaError_t status = outside_capture(); status != cudaSuccess) return status;
  stream_of(stream).finish(stream_of(stream).submitted);
  return surfaced();
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (const cudaError_t status = outside_capture(); status != cudaSuccess) return status;
  const Event awaited = event_of(event);
  if (awaited.stream) stream_of(stream).submit([=] { awaited.stream->finish(awaited.place); });
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!faults.captures || captured) return cudaErrorStreamCaptureUnsupported;
  captured = new Graph;
  captured_on = stream;
  broken = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = reinterpret_cast<cudaGraph_t>(std::exchange(captured, nullptr));
  return broken ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* launches, cudaGraph_t graph, unsigned long long) {
  if (lacks_memory_for_graph()) return cudaErrorMemoryAllocation;
  *launches = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t launches, cudaStream_t stream) {
  if (const cudaError_t status = outside_capture(); status != cudaSuccess) return status;
  if (lacks_memory_for_graph()) return cudaErrorMemoryAllocation;
  ++replays;
  for (const auto& work : *reinterpret_cast<Graph*>(launches)) submit(stream, work);
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
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream_of(stream).finish(stream_of(stream).submitted);
  delete &stream_of(stream);
  --streams;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = reinterpret_cast<cudaEvent_t>(new Event);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return cudaEventCreate(event);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event_of(event) = {&stream_of(stream), stream_of(stream).submitted};
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Event& asked = event_of(event);
  return asked.stream && asked.stream->done < asked.place ? cudaErrorNotReady : cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Event& awaited = event_of(event);
  if (awaited.stream) awaited.stream->finish(awaited.place);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete &event_of(event);
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return sticky != cudaSuccess ? sticky : std::exchange(refused, cudaSuccess);
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
  emulated::submit(stream_, [=] { multiply_now(product); });
}

}  // namespace kvs
