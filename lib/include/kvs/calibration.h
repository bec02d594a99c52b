#pragma once

#include <istream>
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

/// The same from the lines that run_evaluation() gave to on_detail then, of the same model and
/// rule; `budgets` are some of those it ran with, ascending. Throws Error(format), naming `source`,
/// line and field, where a line is something else, Error(io) where `in` cannot be read.
KVS_API std::vector<CalibrationSet> read_samples(std::istream& in, const std::string& source,
                                                 const std::vector<double>& budgets);

/// A guard made of four fifths of each set, and what became of its promise:
/// {"promise","guard","verified":{...},"unseen_workloads":[{...}]}. `verified` is the verdict on
/// the other fifths, `unseen_workloads` that on each whole set of a guard made of all others, where
/// these suffice. Throws Error(argument) where there are too few samples.
KVS_API Json calibrate_guard(const std::vector<CalibrationSet>& sets,
                             const std::vector<double>& budgets, const GuardPromise& promise);

}  // namespace kvs
