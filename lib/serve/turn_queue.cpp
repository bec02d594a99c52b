#include "serve/turn_queue.h"

#include <algorithm>
#include <chrono>

#include "serve/refusal.h"

namespace kvs {
namespace {

constexpr std::chrono::milliseconds kLook{100};

}  // namespace

TurnQueue::Place::Place(TurnQueue& queue) : queue_(queue) {
  const std::lock_guard lock(queue_.mutex_);
  if (queue_.places_ > queue_.most_) throw queue_full();
  ++queue_.places_;
}

TurnQueue::Place::~Place() {
  pass();
  const std::lock_guard lock(queue_.mutex_);
  --queue_.places_;
}

bool TurnQueue::Place::wait(const std::function<bool()>& wanted) {
  std::unique_lock lock(queue_.mutex_);
  queue_.line_.push_back(this);
  while (wanted()) {
    if (queue_.line_.front() == this) return true;
    queue_.moved_.wait_for(lock, kLook);
  }
  return false;
}

void TurnQueue::Place::pass() {
  const std::lock_guard lock(queue_.mutex_);
  std::erase(queue_.line_, this);
  queue_.moved_.notify_all();
}

}  // namespace kvs
