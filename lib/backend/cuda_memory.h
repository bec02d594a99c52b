#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "backend/cuda_check.h"
#include "kvs/device_memory.h"

namespace kvs {

/// Memory of one device, taken and given back in the order of a stream, so that neither waits.
/// Freed memory stays with the process for the next who asks.
class CudaMemory {
 public:
  CudaMemory(int device, cudaStream_t stream);

  /// 256-byte aligned. Throws Error(memory) that names what was asked and what is free.
  void* allocate(size_t bytes);
  void release(void* memory) noexcept;
  /// Gives what was released back to the device, for whatever else takes memory there.
  void trim() noexcept;
  DeviceMemory use() const;
  cudaStream_t stream() const { return stream_; }

 private:
  cudaStream_t stream_;
  cudaMemPool_t pool_ = nullptr;
};

/// Device memory of one owner.
class CudaBuffer {
 public:
  CudaBuffer() = default;
  CudaBuffer(CudaMemory& memory, size_t bytes)
      : memory_(&memory), data_(static_cast<std::byte*>(memory.allocate(bytes))), bytes_(bytes) {}
  CudaBuffer(CudaBuffer&& other) noexcept { swap(other); }
  CudaBuffer& operator=(CudaBuffer&& other) noexcept {
    CudaBuffer(std::move(other)).swap(*this);
    return *this;
  }
  ~CudaBuffer() {
    if (memory_) memory_->release(data_);
  }

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void swap(CudaBuffer& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
  }

  CudaMemory* memory_ = nullptr;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

/// Device memory that is used again by one operation after another and grows to what the largest
/// needs. What was in it is lost.
template <typename T>
T* grown(CudaBuffer& buffer, CudaMemory& memory, int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(T);
  if (buffer.bytes() < bytes) {
    buffer = {};
    buffer = CudaBuffer(memory, bytes);
  }
  return reinterpret_cast<T*>(buffer.data());
}

/// Host memory that copies to the device start from: such copies do not wait. Several in turn, so
/// that one can be filled while others are on their way.
class CudaStaging {
 public:
  explicit CudaStaging(cudaStream_t stream);
  CudaStaging(const CudaStaging&) = delete;
  CudaStaging& operator=(const CudaStaging&) = delete;
  ~CudaStaging();

  /// Room for `bytes`, to be filled and then sent; valid until the second call from here.
  void* take(size_t bytes);
  /// Queues a copy of bytes [first, first + bytes) of what the last take() gave, to the same place
  /// behind `device`.
  void send(void* device, size_t first, size_t bytes);

  void upload(void* device, const void* host, size_t bytes);

 private:
  struct Slot {
    void* memory = nullptr;
    size_t bytes = 0;
    CudaHandle<cudaEvent_t> sent;
  };

  cudaStream_t stream_;
  std::array<Slot, 4> slots_;
  size_t current_ = 0;
};

}  // namespace kvs
