#include "serve/turn_order.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace kvs {

TurnOrder::Ticket TurnOrder::add(const std::string& tenant, int64_t work) {
  Tenant& of = tenants_[tenant];
  if (of.line.empty()) of.given = std::max(of.given, turn_);
  Waiting added{.tenant = tenant, .work = std::max(work, kLeastWork)};
  for (const auto& [ticket, earlier] : of.line) added.ahead += earlier->work;
  const auto [place, inserted] = waiting_.emplace(++last_, std::move(added));
  of.line.emplace(last_, &place->second);
  return last_;
}

void TurnOrder::expect(Ticket ticket, int64_t work) {
  Waiting& job = waiting_.at(ticket);
  const int64_t change = std::max(work, kLeastWork) - job.work;
  job.work += change;
  auto& line = tenants_.at(job.tenant).line;
  for (auto later = line.upper_bound(ticket); later != line.end(); ++later)
    later->second->ahead += change;
}

void TurnOrder::hold(Ticket ticket, bool held) {
  waiting_.at(ticket).held = held;
}

void TurnOrder::remove(Ticket ticket) {
  const Waiting& job = waiting_.at(ticket);
  auto& line = tenants_.at(job.tenant).line;
  for (auto later = line.upper_bound(ticket); later != line.end(); ++later)
    later->second->ahead -= job.work;
  leave(ticket);
}

std::optional<TurnOrder::Ticket> TurnOrder::next() const {
  if (schedule_ == Schedule::fcfs) {
    const auto first = std::find_if(waiting_.begin(), waiting_.end(),
                                    [](const auto& entry) { return !entry.second.held; });
    if (first == waiting_.end()) return std::nullopt;
    return first->first;
  }
  std::optional<std::pair<int64_t, Ticket>> next;
  for (const auto& [name, tenant] : tenants_) {
    const std::optional<Ticket> own = next_of(tenant);
    if (own && (!next || std::pair(tenant.given, *own) < *next)) next = {tenant.given, *own};
  }
  if (!next) return std::nullopt;
  return next->second;
}

// The one with the least work of those that no earlier one keeps from going first.
std::optional<TurnOrder::Ticket> TurnOrder::next_of(const Tenant& tenant) const {
  std::optional<Ticket> next;
  int64_t least = std::numeric_limits<int64_t>::max();
  double room = std::numeric_limits<double>::infinity();
  for (const auto& [ticket, job] : tenant.line) {
    if (job->held) continue;
    if (job->work < least && static_cast<double>(job->work) <= room) {
      next = ticket;
      least = job->work;
    }
    room = std::min(room, job->room());
  }
  return next;
}

int64_t TurnOrder::take(Ticket ticket) {
  const int64_t work = waiting_.at(ticket).work;
  Tenant& tenant = tenants_.at(waiting_.at(ticket).tenant);
  for (auto& [earlier, job] : tenant.line) {
    if (earlier >= ticket) break;
    if (!job->held) job->passed += work;
  }
  turn_ = std::max(turn_, tenant.given);
  tenant.given += work;
  leave(ticket);
  return work;
}

void TurnOrder::correct(const std::string& tenant, int64_t work) {
  tenants_[tenant].given += work;
}

bool TurnOrder::has_choice() const {
  return schedule_ == Schedule::work &&
         std::any_of(tenants_.begin(), tenants_.end(),
                     [](const auto& entry) { return entry.second.line.size() > 1; });
}

void TurnOrder::leave(Ticket ticket) {
  const auto job = waiting_.find(ticket);
  tenants_.at(job->second.tenant).line.erase(ticket);
  waiting_.erase(job);
}

}  // namespace kvs
