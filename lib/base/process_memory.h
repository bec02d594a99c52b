#pragma once

#include <cstdint>

namespace kvs {

/// Memory of this process in bytes, as the system counts it; 0 where it cannot be known.
struct ProcessMemory {
  int64_t resident = 0;
  int64_t peak_resident = 0;
};

ProcessMemory process_memory();

}  // namespace kvs
