#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// Threads for short parallel loops. Between loops the threads look for work for a fifth of a
/// millisecond and then sleep, so that loops in quick succession start within a microsecond or two
/// and an idle pool costs nothing.
class KVS_API ThreadPool {
 public:
  /// `threads` in all, the calling one included; at least 1.
  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(index) once for every index in [0, count) on all threads, and returns when all
  /// calls have. Indices are handed out in ascending order. Where a call throws, the first
  /// exception is thrown again here and indices not yet begun are left out. A loop begun while
  /// another one of the same pool runs (inside a body or from another thread) runs on its caller.
  /// The body may also take the thread's number, body(index, thread): in [0, size()), and different
  /// for calls of one loop that run at the same time.
  template <typename Body>
  void parallel_for(int64_t count, Body&& body) {
    using Object = std::remove_reference_t<Body>;
    auto call = [](const void* object, int64_t index, [[maybe_unused]] int thread) {
      auto& target = *static_cast<Object*>(const_cast<void*>(object));
      if constexpr (std::is_invocable_v<Object&, int64_t, int>)
        target(index, thread);
      else
        target(index);
    };
    run({call, std::addressof(body), count});
  }

  /// Calls body(begin, end) for ranges that make up [0, count): on this thread alone where there is
  /// little to do. `work` is what one index costs, in elementary steps of about a nanosecond.
  template <typename Body>
  void parallel_ranges(int64_t count, int64_t work, Body&& body) {
    const int64_t ranges = range_count(count, work);
    parallel_for(
        ranges, [&](int64_t range) { body(count * range / ranges, count * (range + 1) / ranges); });
  }

 private:
  struct Job {
    void (*call)(const void* object, int64_t index, int thread) = nullptr;
    const void* object = nullptr;
    int64_t count = 0;
  };

  int64_t range_count(int64_t count, int64_t work) const;
  void run(Job job);
  void work(int thread);
  void take_part(int thread);
  bool join_job(uint32_t& seen);
  bool wait_for_job(uint32_t seen);

  Job job_;
  std::exception_ptr error_;
  std::atomic_flag failed_, busy_;
  std::atomic<bool> stop_ = false;
  alignas(64) std::atomic<int64_t> next_ = 0;
  // The number of the current job, whether workers may still join it, and how many are in it: in
  // one word, so that the caller need not wait for a worker that slept through a whole job.
  alignas(64) std::atomic<uint64_t> state_ = 0;
  alignas(64) std::atomic<uint32_t> wake_ = 0;  // the number of the current job, to sleep on
  std::atomic<int> sleepers_ = 0;
  std::vector<std::jthread> workers_;
};

}  // namespace kvs
