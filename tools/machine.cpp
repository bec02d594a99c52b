#include "tools/machine.h"

#include <fmt/format.h>

#include <fstream>
#include <thread>

namespace kvs {
namespace {

// Source: Linux, proc_cpuinfo(5); processors other than x86 may leave the name out.
std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name"))
      if (const size_t colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "unknown CPU";
}

}  // namespace

std::string machine_description() {
  return fmt::format("{}, {} CPUs", cpu_name(), std::thread::hardware_concurrency());
}

}  // namespace kvs
