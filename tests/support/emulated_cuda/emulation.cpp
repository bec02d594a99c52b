#include "emulation.h"

#include <ucontext.h>

#include <cstdlib>
#include <memory>
#include <vector>

namespace kvs::emulated {

uint3 thread_index, block_index;
dim3 block_extent, grid_extent;
unsigned char* dynamic_memory;

namespace {

constexpr size_t kStack = size_t{128} << 10;
constexpr int kWarp = 32;

struct Fiber {
  ucontext_t context;
  std::vector<char> stack = std::vector<char>(kStack);
  uint3 index{};
  bool done = false;
  int64_t block_waits = 0, warp_waits = 0;
};

std::vector<std::unique_ptr<Fiber>> fibers;
size_t current;
ucontext_t scheduler;
const std::function<void()>* body;
std::byte exchange[32][kWarp][256];  // [warp][lane]

void yield() {
  swapcontext(&fibers[current]->context, &scheduler);
}

void start() {
  (*body)();
  fibers[current]->done = true;
  yield();
}

void run_block(size_t threads) {
  while (fibers.size() < threads) fibers.push_back(std::make_unique<Fiber>());
  for (size_t i = 0; i < threads; ++i) {
    Fiber& fiber = *fibers[i];
    getcontext(&fiber.context);
    fiber.context.uc_stack = {fiber.stack.data(), 0, kStack};
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, start, 0);
    const auto n = static_cast<unsigned>(i);
    fiber.index = {n % block_extent.x, n / block_extent.x % block_extent.y,
                   n / block_extent.x / block_extent.y};
    fiber.done = false;
    fiber.block_waits = fiber.warp_waits = 0;
  }
  for (bool running = true; running;) {
    running = false;
    for (current = 0; current < threads; ++current) {
      if (fibers[current]->done) continue;
      thread_index = fibers[current]->index;
      swapcontext(&scheduler, &fibers[current]->context);
      running = true;
    }
  }
}

// Waits until all live threads in [first, last) have waited as often as this one.
void wait(size_t first, size_t last, int64_t Fiber::*waits) {
  Fiber& own = *fibers[current];
  const int64_t turn = ++(own.*waits);
  const auto behind = [&] {
    for (size_t i = first; i < last; ++i)
      if (!fibers[i]->done && (*fibers[i]).*waits < turn) return true;
    return false;
  };
  while (behind()) yield();
}

size_t threads_in_block() {
  return size_t{block_extent.x} * block_extent.y * block_extent.z;
}

}  // namespace

int lane() {
  return static_cast<int>(current % kWarp);
}

std::byte* warp_memory(int other) {
  return exchange[current / kWarp][other];
}

void wait_block() {
  wait(0, threads_in_block(), &Fiber::block_waits);
}

void wait_warp() {
  const size_t first = current / kWarp * kWarp;
  wait(first, std::min(first + kWarp, threads_in_block()), &Fiber::warp_waits);
}

void run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread) {
  grid_extent = grid;
  block_extent = block;
  body = &thread;
  const std::unique_ptr<void, void (*)(void*)> memory(
      std::aligned_alloc(256, (shared_bytes + 511) / 256 * 256), std::free);
  dynamic_memory = static_cast<unsigned char*>(memory.get());
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        std::memset(dynamic_memory, 0xFF, shared_bytes);  // NaN: what is not written shows
        block_index = {x, y, z};
        run_block(threads_in_block());
      }
}

}  // namespace kvs::emulated
