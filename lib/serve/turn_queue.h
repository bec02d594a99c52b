#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace kvs {

/// Lets threads use something one at a time, in the order in which they come. Thread-safe.
class TurnQueue {
 public:
  /// So many wait at most, besides the one whose turn it is.
  explicit TurnQueue(size_t most_waiting) : most_(most_waiting) {}

  /// Who is in the queue, from one turn to the next; whoever has had one goes to its end.
  class Place {
   public:
    /// Throws a Refusal where the queue is full.
    explicit Place(TurnQueue& queue);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    /// Waits; false where `wanted`, which is asked now and then, says no.
    bool wait(const std::function<bool()>& wanted);
    /// Lets the next one have its turn.
    void pass();

   private:
    TurnQueue& queue_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  std::deque<const Place*> line_;  // the first has its turn
  size_t places_ = 0;
  size_t most_;
};

}  // namespace kvs
