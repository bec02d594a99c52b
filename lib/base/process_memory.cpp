#include "base/process_memory.h"

#include <cstdio>
#include <fstream>
#include <string>

namespace kvs {

ProcessMemory process_memory() {
  ProcessMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    long long kilobytes = 0;
    if (std::sscanf(line.c_str(), "VmRSS: %lld kB", &kilobytes) == 1)
      memory.resident = kilobytes * 1024;
    else if (std::sscanf(line.c_str(), "VmHWM: %lld kB", &kilobytes) == 1)
      memory.peak_resident = kilobytes * 1024;
  }
  return memory;
}

}  // namespace kvs
