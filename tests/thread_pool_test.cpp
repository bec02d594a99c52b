#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace kvs {
namespace {

class Pool : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, Pool, testing::Values(1, 2, 3, 8));

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

TEST_P(Pool, CallsEveryIndexOnce) {
  ThreadPool pool(GetParam());
  for (int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));

    pool.parallel_for(count, [&](int64_t index) { ++calls[index]; });

    for (const auto& c : calls) ASSERT_EQ(c, 1) << count;
  }
}

TEST_P(Pool, SeesTheResultsOfManyShortLoops) {
  ThreadPool pool(GetParam());
  std::vector<int64_t> values(64, 0);

  for (int round = 0; round < 20000; ++round)
    pool.parallel_for(64, [&](int64_t index) { values[index] += index; });

  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(values[i], 20000 * i);
}

TEST_P(Pool, ThrowsTheFirstExceptionAndGoesOn) {
  ThreadPool pool(GetParam());
  const auto throwing = [](int64_t index) {
    if (index == 5) throw std::runtime_error("five");
  };

  for (int round = 0; round < 100; ++round)
    EXPECT_THROW(pool.parallel_for(50, throwing), std::runtime_error);

  std::atomic<int> calls = 0;
  pool.parallel_for(50, [&](int64_t) { ++calls; });
  EXPECT_EQ(calls, 50);
}

TEST_P(Pool, NumbersThreadsThatRunAtOnceDifferently) {
  ThreadPool pool(GetParam());
  std::vector<std::atomic<int>> inside(static_cast<size_t>(pool.size()));
  std::atomic<bool> clash = false;

  pool.parallel_for(200, [&](int64_t, int thread) {
    if (++inside.at(thread) != 1) clash = true;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    --inside[thread];
  });

  EXPECT_FALSE(clash);
}

TEST_P(Pool, RunsALoopInsideALoop) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> sum = 0;

  pool.parallel_for(8, [&](int64_t) { pool.parallel_for(100, [&](int64_t i) { sum += i; }); });

  EXPECT_EQ(sum, 8 * 4950);
}

TEST_P(Pool, CoversEveryIndexByRanges) {
  ThreadPool pool(GetParam());
  for (int64_t count : {0, 1, 5, 1000}) {
    for (int64_t work : {0, 10, 100000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(count));

      pool.parallel_ranges(count, work, [&](int64_t begin, int64_t end) {
        for (int64_t index = begin; index < end; ++index) ++calls[index];
      });

      for (const auto& c : calls) ASSERT_EQ(c, 1) << count << ' ' << work;
    }
  }
}

TEST(ThreadPool, RunsLoopsOfSeveralCallersAtOnce) {
  ThreadPool pool(2);
  std::atomic<int64_t> sum = 0;
  const auto caller = [&] {
    for (int round = 0; round < 1000; ++round) pool.parallel_for(10, [&](int64_t i) { sum += i; });
  };

  { std::jthread first(caller), second(caller); }

  EXPECT_EQ(sum, 2 * 1000 * 45);
}

TEST(ThreadPool, UsesItsOtherThreadsAlsoAfterASleep) {
  ThreadPool pool(2);
  for (int round = 0; round < 3; ++round) {
    std::mutex mutex;
    std::set<std::thread::id> threads;

    // Long enough bodies for the other thread to arrive, however busy the machine is.
    for (int tries = 0; tries < 100 && threads.size() < 2; ++tries)
      pool.parallel_for(20, [&](int64_t) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
      });

    EXPECT_EQ(threads.size(), 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST(ThreadPool, SleepsWhenIdle) {
  ThreadPool pool(8);
  pool.parallel_for(100, [](int64_t) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double before = cpu_seconds();

  std::this_thread::sleep_for(std::chrono::milliseconds(200));

  EXPECT_LT(cpu_seconds() - before, 0.02);
}

}  // namespace
}  // namespace kvs
