#pragma once

#include <cstdint>
#include <span>

#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/reuse.h"

namespace kvs {

class Transformer;

/// What computing costs with one model on one machine: a pass over some rows of a prompt takes
/// ms_per_pass + rows x ms_per_row + keys x ms_per_key, where keys counts each row's positions up
/// to its own. All in milliseconds, at least 0. Source: design, section 6.
struct KVS_API CostModel {
  double ms_per_pass = 0;
  double ms_per_row = 0;
  double ms_per_key = 0;
  double ms_per_loaded_row = 0;  ///< from an archive into the pool

  /// A pass over `count` rows of a prompt, the first at position `first`.
  double pass_ms(int64_t first, int64_t count) const;
  /// A whole prompt from its first token.
  double prefill_ms(int64_t tokens) const { return pass_ms(0, tokens); }
  /// The rows that a plan computes, one pass.
  double compute_ms(const ReusePlan& plan) const;
};

/// Whether a reuse is expected to be faster than computing what is not a lossless prefix, by at
/// least a tenth: one pass over the plan's rows, a second one over `more_rows`, and loading those
/// whose donors have no view yet.
KVS_API bool pays(const CostModel& costs, const ReusePlan& plan, std::span<const ReuseDonor> donors,
                  int64_t more_rows = 0);

/// Times passes of several sizes, each more than once, and fits the model to their medians; about a
/// second on a small model. Loading is from a file in the system's folder for temporary ones, and
/// left at 0 where that cannot be written. Throws Error(memory) where there is no room for it.
KVS_API CostModel measure_costs(Transformer& transformer, DType kv_type);

/// {"ms_per_pass","ms_per_row","ms_per_key","ms_per_loaded_row"}.
KVS_API Json costs_to_json(const CostModel& costs);
/// Throws Error(format), naming `source`, where a figure is missing, negative or not finite.
KVS_API CostModel costs_from_json(const Json& json, const std::string& source);

}  // namespace kvs
