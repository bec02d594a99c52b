#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>

namespace kvs {

/// Lets each tenant make so many requests a minute: a minute's worth at once, and then as they come
/// back, evenly. Thread-safe.
class RateLimits {
 public:
  using Clock = std::chrono::steady_clock;

  /// Counts a request, where the tenant may make it: 0. Else the seconds until it may, at least 1.
  int take(const std::string& tenant, double per_minute, Clock::time_point now = Clock::now());

 private:
  struct Allowance {
    double requests = 0;
    Clock::time_point at{};
  };

  std::mutex mutex_;
  std::unordered_map<std::string, Allowance> allowances_;  // by tenant
};

}  // namespace kvs
