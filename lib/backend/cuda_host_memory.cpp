#include "backend/cuda_host_memory.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <new>
#include <unordered_map>

#include "backend/cuda_check.h"

namespace kvs {
namespace {

constexpr size_t kUnit = size_t{64} << 10;       // sizes are multiples of it
constexpr size_t kMostIdle = size_t{256} << 20;  // bytes that are kept for later

}  // namespace

// The mutex is not held while the system locks or frees pages, which is slow.
class CudaHostMemory::Pages {
 public:
  explicit Pages(int device) : device_(device) {}
  ~Pages() { free_idle(); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  // Null where there is none.
  std::byte* take(size_t bytes) {
    if (std::byte* kept = take_idle(bytes)) return kept;
    std::byte* memory = take_new(bytes);
    if (!memory) {
      free_idle();
      memory = take_new(bytes);
    }
    if (memory) lend(memory, bytes);
    return memory;
  }

  void give_back(std::byte* memory) noexcept {
    const size_t bytes = end_loan(memory);
    while (std::byte* oldest = too_much_with(bytes)) free_pages(oldest);
    if (!keep(memory, bytes)) free_pages(memory);
  }

  size_t size_of(const std::byte* memory) const {
    const std::lock_guard lock(mutex_);
    const auto at = lent_.find(memory);
    return at == lent_.end() ? 0 : at->second;
  }

 private:
  struct Idle {
    std::byte* memory;
    size_t bytes;
  };

  std::byte* take_new(size_t bytes) const {
    void* memory = nullptr;
    if (cudaSetDevice(device_) == cudaSuccess &&
        cudaHostAlloc(&memory, bytes, cudaHostAllocPortable) == cudaSuccess)
      return static_cast<std::byte*>(memory);
    cudaGetLastError();
    return nullptr;
  }

  // In a thread that has chosen no device, this one's.
  void free_pages(std::byte* memory) const noexcept {
    cudaSetDevice(device_);
    cudaFreeHost(memory);
  }

  void lend(std::byte* memory, size_t bytes) {
    try {
      const std::lock_guard lock(mutex_);
      lent_.emplace(memory, bytes);
    } catch (const std::bad_alloc&) {
      free_pages(memory);
      throw;
    }
  }

  std::byte* take_idle(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto kept = std::ranges::find(idle_, bytes, &Idle::bytes);
    if (kept == idle_.end()) return nullptr;
    std::byte* memory = kept->memory;
    lent_.emplace(memory, bytes);
    idle_.erase(kept);
    idle_bytes_ -= bytes;
    return memory;
  }

  size_t end_loan(std::byte* memory) noexcept {
    const std::lock_guard lock(mutex_);
    const auto at = lent_.find(memory);
    const size_t bytes = at->second;
    lent_.erase(at);
    return bytes;
  }

  // The oldest of the idle ones, where they are too many beside so many bytes; null where not.
  std::byte* too_much_with(size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (idle_.empty() || idle_bytes_ + bytes <= kMostIdle) return nullptr;
    const Idle oldest = idle_.front();
    idle_.pop_front();
    idle_bytes_ -= oldest.bytes;
    return oldest.memory;
  }

  bool keep(std::byte* memory, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    if (idle_bytes_ + bytes > kMostIdle) return false;
    try {
      idle_.push_back({memory, bytes});
    } catch (const std::bad_alloc&) {
      return false;
    }
    idle_bytes_ += bytes;
    return true;
  }

  void free_idle() noexcept {
    while (std::byte* oldest = too_much_with(kMostIdle)) free_pages(oldest);
  }

  const int device_;
  mutable std::mutex mutex_;
  std::unordered_map<const std::byte*, size_t> lent_;
  std::deque<Idle> idle_;  // the oldest in front
  size_t idle_bytes_ = 0;
};

CudaHostMemory::CudaHostMemory(int device) : pages_(std::make_shared<Pages>(device)) {}

HostMemory CudaHostMemory::allocate(size_t bytes) {
  std::byte* memory = pages_->take((bytes + kUnit - 1) / kUnit * kUnit);
  if (!memory) return std::make_shared_for_overwrite<std::byte[]>(bytes);
  return {memory, [pages = pages_](std::byte* lent) { pages->give_back(lent); }};
}

size_t CudaHostMemory::size_of(const std::byte* memory) const {
  return pages_->size_of(memory);
}

}  // namespace kvs
