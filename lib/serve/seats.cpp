#include "serve/seats.h"

namespace kvs {

Seats::Seat::~Seat() {
  const std::lock_guard lock(seats_.mutex_);
  --seats_.taken_;
  if (--seats_.taken_of_[tenant_] == 0) seats_.taken_of_.erase(tenant_);
}

std::unique_ptr<Seats::Seat> Seats::find(const std::string& tenant) {
  const std::lock_guard lock(mutex_);
  const auto own = taken_of_.find(tenant);
  if ((own == taken_of_.end() ? 0 : own->second) >= most_ - taken_) return nullptr;
  auto seat = std::make_unique<Seat>(*this, tenant);
  ++taken_of_[tenant];
  ++taken_;
  return seat;
}

}  // namespace kvs
