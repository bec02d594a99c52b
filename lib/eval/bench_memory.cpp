#include "eval/bench_parts.h"
#include "kvs/device_memory.h"

namespace kvs {

void add_device_memory(Backend& backend, Json& memory) {
  const std::optional<DeviceMemory> device = find_device_memory(backend);
  if (!device) return;
  memory.set("device_total_bytes", device->total);
  memory.set("device_free_bytes", device->free);
  memory.set("device_peak_bytes", device->peak ? Json(*device->peak) : Json());
}

}  // namespace kvs
