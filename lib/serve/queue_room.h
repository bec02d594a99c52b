#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace kvs {

/// The places of a queue, of which one tenant alone may take all; others find room in it all the
/// same. Not thread-safe.
class QueueRoom {
 public:
  explicit QueueRoom(int64_t most) : most_(most) {}

  /// Whether the tenant may take so many more: as long as there are any, or it has no more than an
  /// equal share then, all places by the number of tenants that have some. With t tenants the queue
  /// is at most 1 + 1/2 + … + 1/t times as long as it should be. An empty one takes any number.
  bool has(const std::string& tenant, int64_t count) const;

  void take(const std::string& tenant, int64_t count);
  /// Gives one back.
  void leave(const std::string& tenant);
  int64_t taken() const { return taken_; }

 private:
  int64_t most_;
  int64_t taken_ = 0;
  std::map<std::string, int64_t> taken_of_;  // by tenant; none is 0
};

}  // namespace kvs
