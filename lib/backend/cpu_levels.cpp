#include "backend/cpu_levels.h"

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr cpu::Level kBestFirst[] = {cpu::Level::avx512, cpu::Level::avx2, cpu::Level::portable};

const cpu::Kernels& best_kernels() {
  for (const cpu::Level level : kBestFirst)
    if (const cpu::Kernels* kernels = cpu::find_kernels(level)) return *kernels;
  fail(ErrorKind::device, "this CPU runs none of the kernels that were built");
}

}  // namespace

const char* cpu_level_name(cpu::Level level) {
  switch (level) {
    case cpu::Level::portable:
      return "portable";
    case cpu::Level::avx2:
      return "avx2";
    case cpu::Level::avx512:
      return "avx512";
  }
  return "";
}

const cpu::Kernels& get_cpu_kernels(const std::string& level) {
  if (level == "auto") return best_kernels();
  for (const cpu::Level candidate : kBestFirst) {
    if (level != cpu_level_name(candidate)) continue;
    if (const cpu::Kernels* kernels = cpu::find_kernels(candidate)) return *kernels;
    fail(ErrorKind::device, "this CPU lacks {}", level);
  }
  fail(ErrorKind::argument, "unknown CPU level '{}', expected auto, avx512, avx2 or portable",
       level);
}

}  // namespace kvs
