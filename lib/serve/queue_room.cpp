#include "serve/queue_room.h"

#include <iterator>

namespace kvs {

bool QueueRoom::has(const std::string& tenant, int64_t count) const {
  if (taken_ == 0 || taken_ + count <= most_) return true;
  const auto own = taken_of_.find(tenant);
  const bool is_new = own == taken_of_.end();
  const int64_t tenants = std::ssize(taken_of_) + (is_new ? 1 : 0);
  return (is_new ? 0 : own->second) + count <= most_ / tenants;
}

void QueueRoom::take(const std::string& tenant, int64_t count) {
  taken_of_[tenant] += count;
  taken_ += count;
}

void QueueRoom::leave(const std::string& tenant) {
  --taken_;
  if (--taken_of_[tenant] == 0) taken_of_.erase(tenant);
}

}  // namespace kvs
