#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace kvs::emulated {

/// What is wrong with the emulated device, for tests of failures.
struct Faults {
  cudaError_t count_status = cudaSuccess;  ///< of asking how many devices there are
  int devices = 1;
  int major = 8;  ///< compute capability
  size_t memory_bytes = size_t{1} << 40;
  size_t pinned_bytes = size_t{1} << 40;  ///< of host memory that can be page-locked
  int64_t launches_left = -1;             ///< until a kernel faults; below 0: none does
  bool captures = true;                   ///< whether launches can be captured
  int64_t launches_loaded = -1;  ///< until memory lacks for a kernel's code, once; below 0: never
  int graphs_refused = 0;        ///< the next that are made or launched, for want of memory
  bool all_late = false;         ///< streams made from here on: the first is as late as the others
};
extern Faults faults;

/// A kernel faults. As on a device its launch succeeds, and all later calls fail.
void fault();
/// What those return.
cudaError_t surfaced();

/// Makes the device whole again.
void heal();

/// Device memory that is taken, and how often there was too little.
size_t bytes_in_use();
extern int64_t refusals;

/// Host memory that is page-locked.
size_t pinned_bytes_in_use();

}  // namespace kvs::emulated
