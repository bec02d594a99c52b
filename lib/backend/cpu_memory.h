#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace kvs {

/// 256-byte aligned, uninitialised memory; large pages where it is large. Throws std::bad_alloc.
/// Freed by std::free.
void* allocate_cpu(size_t bytes);

struct FreeCpu {
  void operator()(void* memory) const { std::free(memory); }
};
using CpuMemory = std::unique_ptr<std::byte, FreeCpu>;

inline CpuMemory make_cpu_memory(size_t bytes) {
  return CpuMemory(static_cast<std::byte*>(allocate_cpu(bytes)));
}

/// Memory that is used again by one operation after another and grows to what the largest needs.
class Scratch {
 public:
  /// Valid until the next call. What was in it is lost.
  template <typename T>
  T* get(size_t count) {
    if (count * sizeof(T) > bytes_) {
      memory_.reset();
      bytes_ = 0;
      memory_ = make_cpu_memory(count * sizeof(T));
      bytes_ = count * sizeof(T);
    }
    return reinterpret_cast<T*>(memory_.get());
  }

 private:
  CpuMemory memory_;
  size_t bytes_ = 0;
};

}  // namespace kvs
