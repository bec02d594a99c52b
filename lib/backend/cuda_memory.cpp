#include "backend/cuda_memory.h"

#include <cstdint>
#include <cstring>

namespace kvs {
namespace {

constexpr size_t kLeastStaging = size_t{64} << 10;

}  // namespace

CudaMemory::CudaMemory(int device, cudaStream_t stream) : stream_(stream) {
  int has_pools = 0;
  check(cudaDeviceGetAttribute(&has_pools, cudaDevAttrMemoryPoolsSupported, device), "memory");
  if (!has_pools) return;
  check(cudaDeviceGetDefaultMemPool(&pool_, device), "memory");
  uint64_t keep_all = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_all), "memory");
}

void* CudaMemory::allocate(size_t bytes) {
  const size_t wanted = bytes == 0 ? 1 : bytes;
  void* memory = nullptr;
  const auto ask = [&] {
    return pool_ ? cudaMallocAsync(&memory, wanted, stream_) : cudaMalloc(&memory, wanted);
  };
  cudaError_t status = ask();
  if (status == cudaErrorNotSupported && pool_) {  // in spite of what the device said
    cudaGetLastError();
    pool_ = nullptr;
    status = ask();
  }
  if (status == cudaErrorMemoryAllocation && pool_) {  // freed pieces may be of other sizes
    trim();
    status = ask();
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // not sticky: the next operation may succeed
    size_t free = 0, all = 0;
    check(cudaMemGetInfo(&free, &all), "allocate");
    fail(ErrorKind::memory, "cuda: out of memory: {} bytes asked, {} of {} free", bytes, free, all);
  }
  check(status, "allocate");
  return memory;
}

void CudaMemory::release(void* memory) noexcept {
  if (!memory) return;
  if (pool_) {
    cudaFreeAsync(memory, stream_);
    return;
  }
  cudaStreamSynchronize(stream_);
  cudaFree(memory);
}

// What fails here fails again in the operation that lacked memory.
void CudaMemory::trim() noexcept {
  if (!pool_) return;
  cudaStreamSynchronize(stream_);
  cudaMemPoolTrimTo(pool_, 0);
  cudaGetLastError();
}

DeviceMemory CudaMemory::use() const {
  size_t free = 0, all = 0;
  check(cudaMemGetInfo(&free, &all), "memory");
  DeviceMemory memory{.total = static_cast<int64_t>(all), .free = static_cast<int64_t>(free)};
  if (pool_) {
    uint64_t peak = 0;
    check(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemHigh, &peak), "memory");
    memory.peak = static_cast<int64_t>(peak);
  }
  return memory;
}

CudaStaging::CudaStaging(cudaStream_t stream) : stream_(stream) {
  for (Slot& slot : slots_) slot.sent = make_event();
}

CudaStaging::~CudaStaging() {
  cudaStreamSynchronize(stream_);
  for (const Slot& slot : slots_) cudaFreeHost(slot.memory);
}

void* CudaStaging::take(size_t bytes) {
  current_ = (current_ + 1) % slots_.size();
  Slot& slot = slots_[current_];
  check(cudaEventSynchronize(slot.sent.get()), "upload");
  if (slot.bytes < bytes) {
    cudaFreeHost(slot.memory);
    slot = {nullptr, 0, std::move(slot.sent)};
    const size_t room = bytes < kLeastStaging ? kLeastStaging : bytes + bytes / 2;
    check(cudaHostAlloc(&slot.memory, room, cudaHostAllocDefault), "upload");
    slot.bytes = room;
  }
  return slot.memory;
}

void CudaStaging::send(void* device, size_t first, size_t bytes) {
  const Slot& slot = slots_[current_];
  check(cudaMemcpyAsync(static_cast<std::byte*>(device) + first,
                        static_cast<const std::byte*>(slot.memory) + first, bytes,
                        cudaMemcpyHostToDevice, stream_),
        "upload");
  check(cudaEventRecord(slot.sent.get(), stream_), "upload");
}

void CudaStaging::upload(void* device, const void* host, size_t bytes) {
  if (bytes == 0) return;
  std::memcpy(take(bytes), host, bytes);
  send(device, 0, bytes);
}

}  // namespace kvs
