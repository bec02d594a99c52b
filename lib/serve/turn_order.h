#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "kvs/http_server.h"

namespace kvs {

/// Decides who is next among jobs that wait. Work is counted in rows to compute.
///
/// Schedule::fcfs: whoever came first.
///
/// Schedule::work: tenants take turns, the one that was given the least work first; what a tenant
/// did not use while nothing of its waited is not saved up. Within a tenant the job with the least
/// expected work is next, but with a bound: jobs that came later and go first have together at most
/// kPassing times the work of those that waited in front of a job when it came. It begins when at
/// most 1 + kPassing times the work is given to its tenant that would be if all came in their
/// order. Time that a job is held does not count. Sources: virtual counters as in Sheng et al.,
/// "Fairness in Serving Large Language Models", OSDI 2024, and start-time fair queuing, Goyal et
/// al., SIGCOMM 1996.
class TurnOrder {
 public:
  static constexpr double kPassing = 0.3;
  static constexpr int64_t kLeastWork = 16;  ///< of a job: it has an answer to compute too

  using Ticket = int64_t;  ///< ascending in the order of arrival

  explicit TurnOrder(Schedule schedule) : schedule_(schedule) {}

  /// A job comes.
  Ticket add(const std::string& tenant, int64_t work);
  /// What is known of a job changes.
  void expect(Ticket ticket, int64_t work);
  /// A job that is held is not next, and others do not pass it.
  void hold(Ticket ticket, bool held);
  /// A job goes without having had its turn.
  void remove(Ticket ticket);

  /// Whose turn it is; nothing where all are held.
  std::optional<Ticket> next() const;
  /// The job begins: its tenant is given its work. Returns the work.
  int64_t take(Ticket ticket);
  /// What a job turned out to be more than expected, or less.
  void correct(const std::string& tenant, int64_t work);

  /// Whether the order hangs on what is expected of jobs.
  bool has_choice() const;

 private:
  struct Waiting {
    std::string tenant;
    int64_t work = 0;
    int64_t ahead = 0;   // work of the tenant's jobs that waited when it came
    int64_t passed = 0;  // work of later ones that began first
    bool held = false;

    double room() const {
      return kPassing * static_cast<double>(ahead) - static_cast<double>(passed);
    }
  };
  struct Tenant {
    int64_t given = 0;                  // work
    std::map<Ticket, Waiting*> line{};  // into waiting_
  };

  std::optional<Ticket> next_of(const Tenant& tenant) const;
  void leave(Ticket ticket);

  Schedule schedule_;
  Ticket last_ = 0;
  int64_t turn_ = 0;  // what the tenant whose turn was last had been given before
  std::map<Ticket, Waiting> waiting_;
  std::map<std::string, Tenant> tenants_;
};

}  // namespace kvs
