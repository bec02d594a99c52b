#pragma once

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
  double total_ms = 0;  ///< the answer and the storing of the prompt
  double kl = 0;        ///< KL(full || contestant) in nats, mean over the compared tokens
  double top1 = 1;      ///< share of them with the same most likely token
};

/// A full run's answer and the logits that led to it.
struct FullRun {
  static constexpr int64_t kSteps = 32;  ///< tokens that are compared

  std::vector<int32_t> tokens;
  std::vector<std::vector<float>> logits;  ///< of each token, [vocab], at most kSteps
};

/// One contestant: an engine with its own pool and donors, to which the requests come in order.
class Replay {
 public:
  /// `shared`: as EvaluationOptions. The policy full keeps no donors.
  Replay(Transformer& transformer, const Tokenizer* tokenizer, const EngineOptions& engine,
         const ReuseOptions& reuse, bool shared);

  /// Answers as the full run that the others are compared with.
  Outcome run_full(const WorkloadRequest& request, FullRun& full);
  /// Answers, compares, and keeps the prompt as a donor.
  Outcome run(const WorkloadRequest& request, const FullRun& full);

 private:
  Task task_of(const WorkloadRequest& request) const;
  Outcome answer(Task task);
  void store(const WorkloadRequest& request, const KvView& view);
  void compare(const WorkloadRequest& request, const ReuseOptions& reuse, const FullRun& full,
               Outcome& outcome);

  Engine engine_;
  ReuseOptions reuse_;
  bool shared_;
};

}  // namespace kvs
