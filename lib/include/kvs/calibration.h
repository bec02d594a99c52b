#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kvs/evaluation.h"
#include "kvs/export.h"
#include "kvs/guard.h"
#include "kvs/json.h"
#include "kvs/workload.h"

namespace kvs {

/// What a workload's requests taught, in order of time: one sample for each that kept rows.
struct CalibrationSet {
  std::string workload;
  std::vector<GuardSample> samples;
};

/// Replays a workload under `kvshare` once for each budget, as run_evaluation() does without
/// answers; `options.contestants` and what is told of them do not count. Throws what it throws.
KVS_API CalibrationSet collect_samples(Transformer& transformer, const Tokenizer* tokenizer,
                                       const Workload& workload, const std::vector<double>& budgets,
                                       const EvaluationOptions& options);

/// The same from lines that run_evaluation() gave to on_detail then, for the same model and rule,
/// in the order of their workloads; `budgets` are some of those it ran with. Throws Error(format),
/// naming `source` and the line, where a field is missing or another type.
KVS_API std::vector<CalibrationSet> samples_of(const std::vector<Json>& details,
                                               const std::vector<double>& budgets,
                                               const std::string& source);

/// A guard made of four fifths of each set, and what became of its promise:
/// {"promise","guard","verified":{...},"unseen_workloads":[{...}]}. `verified` is the verdict on
/// the other fifths, `unseen_workloads` that on each whole set of a guard made of all others, where
/// these suffice. Throws Error(argument) where there are too few samples.
KVS_API Json calibrate_guard(const std::vector<CalibrationSet>& sets,
                             const std::vector<double>& budgets, const GuardPromise& promise);

}  // namespace kvs
