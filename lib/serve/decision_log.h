#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>

#include "kvs/json.h"
#include "kvs/response.h"

namespace kvs {

/// What was reused for the latest prompts, and why not more. Holds neither text nor names of
/// tenants or donors. Thread-safe.
class DecisionLog {
 public:
  static constexpr size_t kMost = 100;

  /// A choice that ended at `time`. One that ended before its prompt was planned is passed over.
  /// `request_id`: by which the log knows the request.
  void add(const std::string& time, const std::string& request_id, const Response& response);

  /// {"decisions":[...]}, the newest first; the members are those of an answer's "kvshare".
  Json to_json() const;

 private:
  mutable std::mutex mutex_;
  std::deque<Json> decisions_;  // newest first
};

}  // namespace kvs
