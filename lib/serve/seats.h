#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace kvs {

/// The connections that tenants keep busy with their requests. A tenant may have as many as are
/// left free: alone a half, one of two a third each where both want more, so that nobody's seats
/// run out by somebody else's requests. Thread-safe. Source of the rule: Choudhury and Hahne,
/// "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM ToN 1998.
class Seats {
 public:
  explicit Seats(int most) : most_(most) {}

  /// Taken while it lives.
  class Seat {
   public:
    Seat(Seats& seats, std::string tenant) : seats_(seats), tenant_(std::move(tenant)) {}
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

   private:
    Seats& seats_;
    std::string tenant_;
  };

  /// Null where the tenant has as many as it may.
  std::unique_ptr<Seat> find(const std::string& tenant);

 private:
  std::mutex mutex_;
  std::map<std::string, int> taken_of_;  // by tenant; none is 0
  int taken_ = 0;
  int most_;
};

}  // namespace kvs
