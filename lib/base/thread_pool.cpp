#include "base/thread_pool.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <utility>

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kJoined = kOpen - 1;
constexpr auto kSpin = std::chrono::microseconds(200);
constexpr double kRangeWork = 8192;  // a range shorter than this is not worth handing over
constexpr int kSpinsPerYield = 256;

uint32_t number_of(uint64_t state) {
  return static_cast<uint32_t>(state >> 32);
}

// Looks for `ready` in turns with letting other threads run; gives up after `limit`.
template <typename Ready>
bool spin(Ready ready, Clock::duration limit) {
  const auto start = Clock::now();
  do {
    for (int i = 0; i < kSpinsPerYield; ++i)
      if (ready()) return true;
    std::this_thread::yield();
  } while (Clock::now() - start < limit);
  return ready();
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  assert(threads >= 1);
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  wake_.fetch_add(1);
  wake_.notify_all();
}

int64_t ThreadPool::range_count(int64_t count, int64_t work) const {
  const double useful = static_cast<double>(count) * static_cast<double>(work) / kRangeWork;
  const int64_t most = std::min<int64_t>(count, 4 * size());
  return useful < 2 ? std::min<int64_t>(count, 1)
                    : static_cast<int64_t>(std::min(useful, static_cast<double>(most)));
}

void ThreadPool::run(Job job) {
  if (job.count <= 1 || workers_.empty() || busy_.test_and_set(std::memory_order_acquire)) {
    for (int64_t index = 0; index < job.count; ++index) job.call(job.object, index, 0);
    return;
  }
  job_ = job;
  next_.store(0, std::memory_order_relaxed);
  failed_.clear(std::memory_order_relaxed);
  const uint32_t number = number_of(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(static_cast<uint64_t>(number) << 32 | kOpen);
  wake_.store(number);
  if (sleepers_.load() > 0) wake_.notify_all();

  take_part(0);
  state_.fetch_and(~kOpen);
  const auto all_left = [this] { return (state_.load(std::memory_order_acquire) & kJoined) == 0; };
  while (!spin(all_left, std::chrono::seconds(1))) continue;

  const std::exception_ptr error = std::exchange(error_, nullptr);
  busy_.clear(std::memory_order_release);
  if (error) std::rethrow_exception(error);
}

void ThreadPool::take_part(int thread) {
  const Job job = job_;
  try {
    for (;;) {
      const int64_t index = next_.fetch_add(1, std::memory_order_relaxed);
      if (index >= job.count) return;
      job.call(job.object, index, thread);
    }
  } catch (...) {
    if (!failed_.test_and_set()) error_ = std::current_exception();
    next_.store(job.count, std::memory_order_relaxed);
  }
}

void ThreadPool::work(int thread) {
  uint32_t seen = 0;
  while (wait_for_job(seen)) {
    if (!join_job(seen)) continue;
    take_part(thread);
    state_.fetch_sub(1, std::memory_order_release);
  }
}

bool ThreadPool::join_job(uint32_t& seen) {
  uint64_t state = state_.load(std::memory_order_acquire);
  do {
    seen = number_of(state);
    if ((state & kOpen) == 0) return false;
  } while (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire));
  return true;
}

// False where the pool is being destroyed.
bool ThreadPool::wait_for_job(uint32_t seen) {
  const auto changed = [&] {
    return number_of(state_.load(std::memory_order_relaxed)) != seen ||
           stop_.load(std::memory_order_relaxed);
  };
  if (!spin(changed, kSpin)) {
    sleepers_.fetch_add(1);
    wake_.wait(seen);
    sleepers_.fetch_sub(1);
  }
  return !stop_;
}

}  // namespace kvs
