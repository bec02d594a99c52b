#pragma once

#include <cstdint>
#include <span>

#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/reuse.h"

namespace kvs {

/// What speaks for and against a prompt's reuse: counts that its plan gives, and what was measured
/// while its required rows were computed over the kept ones. From it a guard predicts how far the
/// answer drifts. Source: design, section 6.
struct ReuseEvidence {
  int64_t tokens = 0;
  int64_t kept = 0;        ///< rows with a source, chosen to be computed or not; exact ones not
  int64_t moved = 0;       ///< of them those with another position than at home
  int64_t computed = 0;    ///< rows without a source in front of the last kept one: the edits
  int64_t seams = 0;       ///< starts of kept spans behind something else than at home
  int64_t jumps = 0;       ///< of them those that do not go on, behind an edit, in the same donor
  bool measured = false;   ///< whether the rest is known
  double kept_mass = 0;    ///< attention that the query gives to kept rows, mean over heads, layers
  double edit_mass = 0;    ///< the same to the edits
  double halo_mass = 0;    ///< attention that rows behind an edit give to the edits
  double key_drift = 0;    ///< mean square by which keys of recomputed rows differ from the kept
  double value_drift = 0;  ///< the same for values
};

/// The counts.
KVS_API ReuseEvidence evidence_of(const ReusePlan& plan);

/// One key for each member; only the counts where the rest was not measured.
KVS_API Json evidence_to_json(const ReuseEvidence& evidence);
/// Throws Error(format), naming the field, where one is missing or no number.
KVS_API ReuseEvidence evidence_from_json(const Json& json);

}  // namespace kvs
