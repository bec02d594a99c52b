#include "serve/turn_queue.h"

#include <chrono>

#include "serve/refusal.h"

namespace kvs {
namespace {

constexpr std::chrono::milliseconds kLook{100};

}  // namespace

TurnQueue::Place::Place(TurnQueue& queue, std::string tenant)
    : queue_(queue), tenant_(std::move(tenant)) {
  const std::lock_guard lock(queue_.mutex_);
  if (!queue_.room_.has(tenant_, 1)) throw queue_full();
  queue_.room_.take(tenant_, 1);
}

TurnQueue::Place::~Place() {
  pass();
  const std::lock_guard lock(queue_.mutex_);
  queue_.room_.leave(tenant_);
}

bool TurnQueue::Place::wait(int64_t work, const std::function<bool()>& wanted) {
  std::unique_lock lock(queue_.mutex_);
  TurnOrder& order = queue_.order_;
  const TurnOrder::Ticket ticket = order.add(tenant_, work);
  while (wanted()) {
    if (!queue_.taken_ && order.next() == ticket) {
      order.take(ticket);
      return queue_.taken_ = has_turn_ = true;
    }
    queue_.moved_.wait_for(lock, kLook);
  }
  order.remove(ticket);
  queue_.moved_.notify_all();
  return false;
}

void TurnQueue::Place::pass() {
  const std::lock_guard lock(queue_.mutex_);
  if (!std::exchange(has_turn_, false)) return;
  queue_.taken_ = false;
  queue_.moved_.notify_all();
}

}  // namespace kvs
