#include "backend/cuda_host_memory.h"

#include <map>
#include <mutex>
#include <unordered_map>

#include "backend/cuda_check.h"

namespace kvs {
namespace {

constexpr size_t kUnit = size_t{64} << 10;       // sizes are multiples of it
constexpr size_t kMostIdle = size_t{256} << 20;  // bytes that are kept for later

}  // namespace

struct CudaHostMemory::Pages {
  explicit Pages(int of_device) : device(of_device) {}
  ~Pages() {
    for (const auto& [bytes, memory] : idle) cudaFreeHost(memory);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  // Null where there is none.
  std::byte* take(size_t bytes) {
    const std::lock_guard lock(mutex);
    if (const auto kept = idle.find(bytes); kept != idle.end()) {
      std::byte* memory = kept->second;
      idle.erase(kept);
      idle_bytes -= bytes;
      return lend(memory, bytes);
    }
    void* memory = nullptr;
    if (cudaSetDevice(device) != cudaSuccess ||
        cudaHostAlloc(&memory, bytes, cudaHostAllocPortable) != cudaSuccess) {
      cudaGetLastError();
      return nullptr;
    }
    return lend(static_cast<std::byte*>(memory), bytes);
  }

  std::byte* lend(std::byte* memory, size_t bytes) {
    lent.emplace(memory, bytes);
    return memory;
  }

  void give_back(std::byte* memory) {
    const std::lock_guard lock(mutex);
    const auto at = lent.find(memory);
    const size_t bytes = at->second;
    lent.erase(at);
    if (idle_bytes + bytes > kMostIdle) {
      cudaFreeHost(memory);
      return;
    }
    idle.emplace(bytes, memory);
    idle_bytes += bytes;
  }

  const int device;
  mutable std::mutex mutex;
  std::unordered_map<const std::byte*, size_t> lent;
  std::multimap<size_t, std::byte*> idle;  // by size
  size_t idle_bytes = 0;
};

CudaHostMemory::CudaHostMemory(int device) : pages_(std::make_shared<Pages>(device)) {}

HostMemory CudaHostMemory::allocate(size_t bytes) {
  std::byte* memory = pages_->take((bytes + kUnit - 1) / kUnit * kUnit);
  if (!memory) return std::make_shared_for_overwrite<std::byte[]>(bytes);
  return {memory, [pages = pages_](std::byte* lent) { pages->give_back(lent); }};
}

size_t CudaHostMemory::size_of(const std::byte* memory) const {
  const std::lock_guard lock(pages_->mutex);
  const auto at = pages_->lent.find(memory);
  return at == pages_->lent.end() ? 0 : at->second;
}

}  // namespace kvs
