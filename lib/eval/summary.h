#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/replay.h"
#include "kvs/json.h"

namespace kvs {

/// What the requests of a workload ask for and what came of them, a line for each.
struct Results {
  std::span<const WorkloadRequest> requests;
  std::span<const Outcome> full;   ///< one for each request
  std::span<const Outcome> noise;  ///< the same; empty where none was made
  bool answers = true;             ///< whether answers were given in full
};

/// Adds the figures of one contestant, as kvs-eval(1) describes them; `outcomes` has one for each
/// request.
void add_summary(const Results& results, std::span<const Outcome> outcomes, Json& json);

/// Adds the figures of one request, the index-th.
void add_detail(const Results& results, size_t index, const Outcome& outcome, Json& json);

}  // namespace kvs
