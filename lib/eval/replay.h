#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kvs/engine.h"
#include "kvs/workload.h"

namespace kvs {

/// What a contestant made of a request.
struct Outcome {
  ReuseReport reuse;
  std::vector<int32_t> tokens;  ///< the answer
  std::string text;
  double total_ms = 0;            ///< the answer and the storing of the prompt
  double store_ms = 0;            ///< the storing alone, a part of reuse.ttft_ms too
  double kl = 0;                  ///< KL(full || contestant) in nats, mean over the compared tokens
  std::optional<double> late_kl;  ///< the same from the 25th token on, where there is one
  double top1 = 1;                ///< share of them with the same most likely token
  double background_compute = 0;  ///< rows x layers run behind the answer, of the whole prompt's
};

/// A full run's logits and the tokens that lead to them.
struct FullRun {
  static constexpr int64_t kSteps = 32;  ///< tokens that are compared
  static constexpr size_t kLate = 24;    ///< behind so many, tokens count as late

  LayeredView view;                        ///< of the prompt
  std::vector<int32_t> tokens;             ///< of the answer, one fewer than logits
  std::vector<std::vector<float>> logits;  ///< behind the prompt and each token, [vocab]
};

struct ReplayOptions {
  ReuseOptions reuse;
  bool shared = true;       ///< as EvaluationOptions
  DonorStore::Embed embed;  ///< as EvaluationOptions
  bool answers = true;      ///< as EvaluationOptions
  bool exactify = false;    ///< as EvaluationOptions
};

/// One contestant: an engine with its own pool and donors, to which the requests come in order.
class Replay {
 public:
  /// The policy full keeps no donors.
  Replay(Transformer& transformer, const Tokenizer* tokenizer, const EngineOptions& engine,
         const ReplayOptions& options);

  /// Answers as the full run that the others are compared with.
  Outcome run_full(const WorkloadRequest& request, FullRun& full);
  /// Answers, compares, and keeps the prompt as a donor.
  Outcome run(const WorkloadRequest& request, const FullRun& full);

  /// What run() would begin with, if that makes no difference to speak of: it keeps no approximate
  /// row, and less than a block of exact ones.
  std::optional<ReusePlan> idle_plan(const WorkloadRequest& request);
  /// In place of run(), where there is such a plan: the full run's outcome, the look-up added.
  Outcome adopt(const WorkloadRequest& request, const FullRun& full, Outcome outcome,
                const ReusePlan& plan);

 private:
  Task task_of(const WorkloadRequest& request) const;
  Outcome answer(Task task);
  std::vector<std::vector<float>> repaired_logits(const WorkloadRequest& request,
                                                  const FullRun& full);
  void store(const WorkloadRequest& request, const LayeredView& view, const FullRun& full,
             Outcome& outcome);

  Engine engine_;
  ReplayOptions options_;
  double planned_ms_ = 0;  // how long idle_plan() took
};

}  // namespace kvs
