#include "kvs/device_memory.h"

namespace kvs {

HasDeviceMemory::~HasDeviceMemory() = default;

std::optional<DeviceMemory> find_device_memory(Backend& backend) {
  auto* device = dynamic_cast<HasDeviceMemory*>(&backend);
  if (!device) return std::nullopt;
  return device->device_memory();
}

}  // namespace kvs
