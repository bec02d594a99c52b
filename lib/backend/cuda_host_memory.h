#pragma once

#include <cstddef>
#include <memory>

#include "kvs/backend.h"

namespace kvs {

/// Page-locked host memory, from which a device copies by itself. Taking such memory from the
/// system is slow, so that some of what is let go of is kept for the next who asks. Thread-safe.
class CudaHostMemory {
 public:
  explicit CudaHostMemory(int device);

  /// The heap's where the system has no page-locked memory left.
  HostMemory allocate(size_t bytes);
  /// Of memory that came from here and is page-locked, how large it is; else 0.
  size_t size_of(const std::byte* memory) const;

 private:
  class Pages;
  std::shared_ptr<Pages> pages_;  // what is lent may outlive this
};

}  // namespace kvs
