#pragma once

#include <httplib.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace kvs {

/// A thread for each connection that is served, started when it is needed; the default pool of
/// cpp-httplib has 8, which as many streams would starve. Where all are taken connections wait, and
/// where many wait no more are accepted.
class ConnectionPool : public httplib::TaskQueue {
 public:
  explicit ConnectionPool(size_t most) : most_(most) {}

  void enqueue(std::function<void()> serve) override;
  void shutdown() override;

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable room_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  size_t most_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace kvs
