#include "serve/rate_limits.h"

#include <algorithm>
#include <cmath>

namespace kvs {

int RateLimits::take(const std::string& tenant, double per_minute, Clock::time_point now) {
  const double per_second = per_minute / 60;
  const double most = std::max(1.0, per_minute);
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = allowances_.try_emplace(tenant, Allowance{most, now});
  Allowance& allowance = at->second;
  const double passed = std::chrono::duration<double>(now - allowance.at).count();
  allowance.requests = std::min(most, allowance.requests + passed * per_second);
  allowance.at = now;
  if (allowance.requests < 1)
    return std::max(1, static_cast<int>(std::ceil((1 - allowance.requests) / per_second)));
  allowance.requests -= 1;
  return 0;
}

}  // namespace kvs
