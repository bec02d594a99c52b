#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "kvs/engine.h"
#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/workload.h"

namespace kvs {

/// A policy that is measured, with its budget where it has one.
struct Contestant {
  Policy policy = Policy::full;
  std::optional<double> budget;
  int donor_depth = 0;  ///< DonorStoreOptions::max_depth
};

/// Every policy once for each budget and depth, policies without a budget once for each depth,
/// lossless ones once; `full` comes first, asked for or not, since everything is measured against
/// it. `kvshare` comes once more without a budget, as it is by default; an empty list of budgets
/// stands for the other policies' default.
KVS_API std::vector<Contestant> contestants_of(const std::vector<Policy>& policies,
                                               const std::vector<double>& budgets,
                                               const std::vector<int>& donor_depths = {0});

struct EvaluationOptions {
  std::vector<Contestant> contestants;  ///< as contestants_of gives them
  EngineOptions engine;                 ///< of each contestant; one task at a time
  ReuseOptions reuse;                   ///< but for policy and budget
  bool shared = true;                   ///< donors are seen by the share group, or by the tenant
  DonorStore::Embed embed;              ///< finds donors by embedding too, where there is one
  bool answers = true;  ///< without them only the first token is timed, and no text is compared
  /// Prompts worth it (worth_exactifying) are computed in full behind their answers, so that all
  /// their rows are donors. What that costs is counted; the rows, the same bits, are those of the
  /// full run, which all contestants share.
  bool exactify = false;
  /// Contestants that keep no approximate row, and less than a block of exact ones, take the full
  /// run's outcome and rows instead of being run; their look-up is added to its times. This leaves
  /// more time for requests where there is something to compare.
  bool skip_idle = false;
  int noise_rows = 320;  ///< rows in a forward pass of the noise floor's full run; 0: none is made

  /// A line of the details for each request and contestant (kvs-eval(1)).
  std::function<void(const Json& detail)> on_detail;
  /// Called with each request's divergence under each contestant.
  std::function<void(const Contestant&, const ReuseReport&, double kl)> on_result;
  /// Called after each request and contestant; may throw.
  std::function<void()> on_progress;
};

/// Replays a workload: every request once for each contestant, one after another, so that what
/// drifts on the machine meets all alike. A contestant has an engine and donors of its own; every
/// request may reuse the earlier ones. Per request and contestant:
/// - an answer, greedy, which is timed (look-up, alignment, selection and loading included);
/// - the logits behind its prompt along the tokens of the full run (teacher forcing), in one pass
///   for both unless decoding repairs rows, for KL(full || contestant) in nats and the agreement of
///   the most likely token, over the first 32 tokens.
/// Prompts become donors, answers do not: they differ between contestants. The noise floor is a
/// second full run with another number of rows in a forward pass. It needs none with other threads:
/// on the CPU no result depends on their number (transformer_test).
/// Returns {"name","requests","policies":[...],"noise_floor":{...}} as kvs-eval(1) describes it.
/// Throws Error(argument) where a prompt does not fit the context or the pool, Error(device) where
/// a request fails. Source: design, sections 6 and 8.
KVS_API Json run_evaluation(Transformer& transformer, const Tokenizer* tokenizer,
                            const Workload& workload, const EvaluationOptions& options);

}  // namespace kvs
