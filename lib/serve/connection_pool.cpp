#include "serve/connection_pool.h"

#include <utility>

namespace kvs {
namespace {

constexpr size_t kMaxWaiting = 64;

}  // namespace

void ConnectionPool::enqueue(std::function<void()> serve) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return waiting_.size() < kMaxWaiting; });
  waiting_.push_back(std::move(serve));
  if (idle_ < waiting_.size() && threads_.size() < most_) threads_.emplace_back([this] { run(); });
  work_.notify_one();
}

void ConnectionPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    work_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    --idle_;
    if (waiting_.empty()) return;
    const std::function<void()> serve = std::move(waiting_.front());
    waiting_.pop_front();
    room_.notify_one();
    lock.unlock();
    serve();
    lock.lock();
  }
}

void ConnectionPool::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace kvs
