#include "emulation.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include "kernels/cuda/launch_grid.h"
#include "support/emulated_cuda/faults.h"

// Switches stacks: saves what a called function must keep (System V ABI, x86-64), stores the stack
// pointer in *from and goes on at `to`. Without the system calls of swapcontext.
extern "C" void kvs_switch_stack(void** from, void* to);
asm(R"(
.text
.globl kvs_switch_stack
.type kvs_switch_stack, @function
kvs_switch_stack:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
)");

namespace kvs::emulated {

uint3 thread_index, block_index;
dim3 block_extent, grid_extent;
unsigned char* dynamic_memory;

namespace {

constexpr size_t kStackWords = size_t{16} << 10;
constexpr size_t kWarp = 32;
constexpr size_t kMostWarps = 32;

struct Fiber {
  std::unique_ptr<uint64_t[]> stack = std::make_unique<uint64_t[]>(kStackWords);
  void* top = nullptr;
  uint3 index{};
  bool done = false;
};

/// Threads that wait for one another: the last to come lets all go on.
struct Meeting {
  size_t members = 0, waiting = 0;
  int64_t turn = 0;

  void release_if_complete() {
    if (waiting < members) return;
    waiting = 0;
    ++turn;
  }
};

std::vector<std::unique_ptr<Fiber>> fibers;
size_t current;
void* scheduler;
const std::function<void()>* body;
Meeting block_meeting, warp_meetings[kMostWarps];
std::byte exchange[kMostWarps][kWarp][256];
std::map<const void*, size_t> allowed_shared;  // of kernels that asked

void yield() {
  kvs_switch_stack(&fibers[current]->top, scheduler);
}

void start() {
  (*body)();
  fibers[current]->done = true;
  for (Meeting* meeting : {&block_meeting, &warp_meetings[current / kWarp]}) {
    --meeting->members;
    meeting->release_if_complete();
  }
  yield();
}

void prepare(Fiber& fiber, size_t number) {
  const auto n = static_cast<unsigned>(number);
  fiber.index = {n % block_extent.x, n / block_extent.x % block_extent.y,
                 n / block_extent.x / block_extent.y};
  fiber.done = false;
  // Six registers, then where to begin; the stack is aligned as behind a call.
  uint64_t* top = fiber.stack.get() + kStackWords - 8;
  while (reinterpret_cast<uintptr_t>(top + 7) % 16 != 8) --top;
  top[6] = reinterpret_cast<uint64_t>(&start);
  fiber.top = top;
}

void run_block(size_t threads) {
  while (fibers.size() < threads) fibers.push_back(std::make_unique<Fiber>());
  block_meeting = {.members = threads};
  for (size_t warp = 0; warp * kWarp < threads; ++warp)
    warp_meetings[warp] = {.members = std::min(kWarp, threads - warp * kWarp)};
  for (size_t i = 0; i < threads; ++i) prepare(*fibers[i], i);
  for (bool running = true; running;) {
    running = false;
    for (current = 0; current < threads; ++current) {
      if (fibers[current]->done) continue;
      thread_index = fibers[current]->index;
      kvs_switch_stack(&scheduler, fibers[current]->top);
      running = true;
    }
  }
}

void wait(Meeting& meeting) {
  const int64_t turn = meeting.turn;
  ++meeting.waiting;
  meeting.release_if_complete();
  while (meeting.turn == turn) yield();
}

}  // namespace

int lane() {
  return static_cast<int>(current % kWarp);
}

std::byte* warp_memory(int other) {
  return exchange[current / kWarp][other];
}

void wait_block() {
  wait(block_meeting);
}

void wait_warp() {
  wait(warp_meetings[current / kWarp]);
}

bool accepts(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  constexpr unsigned kMostBlockZ = 64;
  const size_t threads = size_t{block.x} * block.y * block.z;
  const size_t blocks = size_t{grid.x} * grid.y * grid.z;
  const auto asked = allowed_shared.find(kernel);
  if (threads == 0 || threads > cuda::kMostBlockThreads || block.z > kMostBlockZ || blocks == 0 ||
      grid.x > cuda::kMostGridX || grid.y > cuda::kMostGridYZ || grid.z > cuda::kMostGridYZ)
    refuse(cudaErrorInvalidConfiguration);
  else if (shared_bytes >
           (asked == allowed_shared.end() ? cuda::kUnaskedSharedBytes : asked->second))
    refuse(cudaErrorInvalidValue);
  else if (faults.launches_loaded < 0 || faults.launches_loaded-- > 0)
    return true;
  else
    refuse(cudaErrorMemoryAllocation);
  return false;
}

cudaError_t allow_shared(const void* kernel, int bytes) {
  if (bytes < 0 || bytes > cuda::kMostSharedBytes) return cudaErrorInvalidValue;
  size_t& allowed = allowed_shared.try_emplace(kernel, cuda::kUnaskedSharedBytes).first->second;
  allowed = std::max<size_t>(bytes, cuda::kUnaskedSharedBytes);
  return cudaSuccess;
}

void run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread) {
  if (surfaced() != cudaSuccess) return;
  if (faults.launches_left == 0) return fault();
  if (faults.launches_left > 0) --faults.launches_left;
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
        run_block(size_t{block.x} * block.y * block.z);
      }
}

}  // namespace kvs::emulated
