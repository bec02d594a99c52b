#include "backend/cpu_memory.h"

#include <sys/mman.h>

#include <limits>
#include <new>

namespace kvs {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kLargePage = size_t{2} << 20;  // of x86-64 and arm64 with 4 KiB pages

}  // namespace

void* allocate_cpu(size_t bytes) {
  const size_t alignment = bytes >= kLargePage ? kLargePage : kAlignment;
  if (bytes > std::numeric_limits<size_t>::max() - alignment) throw std::bad_alloc();
  const size_t rounded = bytes == 0 ? alignment : (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (!memory) throw std::bad_alloc();
  // Weights are read from end to end for every token: fewer pages, fewer translations. Advice only.
  if (alignment == kLargePage) madvise(memory, rounded, MADV_HUGEPAGE);
  return memory;
}

}  // namespace kvs
