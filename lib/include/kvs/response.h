#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kvs/donor_place.h"
#include "kvs/evidence.h"
#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/reuse.h"

namespace kvs {

/// A donor whose rows were shared.
struct DonorUse {
  std::string id;
  double similarity = 0;                      ///< cosine of the embeddings; 0 where unknown
  int64_t tokens = 0;                         ///< rows taken as they were
  DonorPlace place = DonorPlace::memory;      ///< where they were
  int64_t exact = 0, shifted = 0, fuzzy = 0;  ///< how many of them are so, see ReuseReport
};

/// How a prompt's rows came about, and how long it took.
/// prompt_tokens = exact + shifted + fuzzy + recomputed + computed.
struct KVS_API ReuseReport {
  ReuseMode mode = ReuseMode::approx;
  Policy policy = Policy::full;
  std::optional<double> budget;  ///< as asked for, the guard's, or the default
  int64_t prompt_tokens = 0;
  int64_t exact = 0;          ///< rows of a lossless prefix
  int64_t shifted = 0;        ///< a donor's rows as they were
  int64_t fuzzy = 0;          ///< rows that stood for another token
  int64_t recomputed = 0;     ///< had a source, computed all the same
  int64_t computed = 0;       ///< had no source
  int depth = 0;              ///< of its approximate rows, see ReuseDonor; 0: all are exact
  double computed_share = 0;  ///< rows x layers run / (prompt_tokens x layers)
  std::vector<DonorUse> donors;
  std::vector<PlanSpan> spans;  ///< which rows these are; they tile the prompt in order
  ReuseReason reason = ReuseReason::none;
  ReuseEvidence evidence;  ///< where rows were kept
  double lookup_ms = 0;    ///< finding donors
  double plan_ms = 0;      ///< aligning and selecting
  double load_ms = 0;      ///< bringing donors' KV into the pool
  double ttft_ms = 0;      ///< from the start of work on the task to its first token
  double tpot_ms = 0;      ///< mean time per further token; 0 where there is none

  /// (exact + shifted + fuzzy) / prompt_tokens.
  double hit_rate() const;
};

/// Whether a text holds enough that is new to be worth a prefill behind its answer, so that all of
/// its rows can be donors: a twentieth of its tokens are in no donor, and at least 32.
KVS_API bool worth_exactifying(int64_t new_tokens, int64_t tokens);
/// The same for a prompt, whose new tokens are those that had no source.
KVS_API bool worth_exactifying(const ReuseReport& reuse);

/// What became of a task.
struct Response {
  std::string id;
  std::string text;
  std::vector<int32_t> tokens;  ///< generated, the end token not included
  std::string finish_reason;    ///< stop, length, cancelled or error
  std::string error;            ///< what went wrong, where finish_reason is "error"
  ReuseReport reuse;
};

/// One line of `kvs-serve run`. Source: design, section 8.
KVS_API Json response_to_json(const Response& response);

}  // namespace kvs
