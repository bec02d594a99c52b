#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "kvs/http_server.h"
#include "serve/queue_room.h"
#include "serve/turn_order.h"

namespace kvs {

/// Lets threads use something one at a time, in the order that TurnOrder describes. Thread-safe.
class TurnQueue {
 public:
  /// So many wait at most, besides the one whose turn it is; where that is full a tenant comes in
  /// all the same by QueueRoom's rule.
  TurnQueue(Schedule schedule, int64_t most_waiting) : order_(schedule), room_(most_waiting + 1) {}

  /// Who is in the queue, from one turn to the next; whoever has had one goes to its end.
  class Place {
   public:
    /// Throws a Refusal where the queue is full.
    Place(TurnQueue& queue, std::string tenant);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    /// Waits for a turn of so much work; false where `wanted`, which is asked now and then, says
    /// no.
    bool wait(int64_t work, const std::function<bool()>& wanted);
    /// Lets the next one have its turn.
    void pass();

   private:
    TurnQueue& queue_;
    std::string tenant_;
    bool has_turn_ = false;
  };

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  TurnOrder order_;
  QueueRoom room_;
  bool taken_ = false;  // the turn
};

}  // namespace kvs
