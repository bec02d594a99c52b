#pragma once

#include <cstdint>
#include <optional>

#include "kvs/backend.h"
#include "kvs/export.h"

namespace kvs {

/// Of a device, in bytes.
struct DeviceMemory {
  int64_t total = 0, free = 0;    ///< whoever uses it
  std::optional<int64_t> peak{};  ///< most that this process had in use; none where nobody counts
};

/// What a backend is, too, whose memory is not the host's.
class KVS_API HasDeviceMemory {
 public:
  virtual ~HasDeviceMemory();
  virtual DeviceMemory device_memory() = 0;
};

/// None where the backend computes in the host's memory.
KVS_API std::optional<DeviceMemory> find_device_memory(Backend& backend);

}  // namespace kvs
