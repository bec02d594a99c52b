#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/coroutine.h"
#include "engine/exactifier.h"
#include "engine/publisher.h"
#include "engine/sequence.h"
#include "engine/step_batch.h"
#include "kvs/engine.h"
#include "kvs/selector.h"

namespace kvs {

/// A prompt's first rows, computed while others are on their way.
struct EarlyStart {
  LayeredView view;
  int64_t first = 0;  ///< rows in front of it are a donor's
  std::string donor{};
  double similarity = 0;
  DonorPlace place = DonorPlace::memory;
  double ms = 0;  ///< that computing took
};

/// A task that has not begun.
struct Queued {
  Task task;
  std::function<void(Response)> done;
  std::optional<Prefetch> prefetch{};  ///< what it waits for, from its turn on
  std::chrono::steady_clock::time_point turn{};
  bool measures = false;  ///< it has to be measured, and waits for another one that is
  std::optional<EarlyStart> early{};
  bool may_begin_early = true;
};

/// How a prompt is to be computed.
struct PromptStart {
  std::unique_ptr<Selector> selector;
  ReusePlan plan;
  std::vector<KvView> views;     ///< of the donors that the plan uses
  std::vector<ReuseDonor> used;  ///< over these views
};

/// Blocks that so many tokens take at most, wherever in a block they begin.
inline int64_t blocks_for(int64_t tokens) {
  return (tokens + kBlockTokens - 1) / kBlockTokens + 1;
}

/// One forward pass: its rows, whose they are, and who gets logits, in the order of these.
struct Step {
  StepBatch batch;
  std::vector<Sequence*> working, owners;
};

struct Engine::Impl {
  Impl(Transformer& t, const Tokenizer* k, const EngineOptions& o);

  void check(const Task& task) const;
  std::vector<ReuseDonor> candidates(const Task& task);
  Prefetch prefetch(const Task& task);
  bool ready(Queued& queued);
  void admit();
  ReusePlan plan_over(Sequence& sequence, std::vector<ReuseDonor>& candidates);
  bool admit(Queued& queued);
  bool attempt(Sequence& sequence, const std::function<void()>& work);
  void prepare(Sequence& sequence, std::optional<EarlyStart>& early);
  void begin(Sequence& sequence, PromptStart& start, const Coroutine::Pause& pause);
  void begin_prompt(Sequence& sequence, PromptStart& start, const Coroutine::Pause& pause);
  void compute_measured(Sequence& sequence, PromptStart& start, const KvView& kept,
                        const Coroutine::Pause& pause);
  void go_on_measuring();
  std::optional<EarlyStart> begin_early(const Task& task);
  bool compute_early(Queued& queued);
  void compute_early(const Task& task, EarlyStart& early, int64_t count);
  void give_up_early();
  bool busy() const {
    return !queue.empty() || !active.empty() || !measured.empty() || !preempted.empty();
  }
  bool make_room_beside_donors(const ReusePlan& plan, bool measures);
  void add_rows(Sequence& sequence, int64_t room, Step& step);
  void advance();
  void collect_answers(Step& step);
  void collect_prompts(Step& step);
  void compute(Step& step);
  void run(const Batch& batch, const Transformer::BatchObserver& observer);
  void consume_logits(const std::vector<Sequence*>& owners);
  void consume_top_logits(const std::vector<Sequence*>& owners, int count);
  void release_memory();
  bool make_room(std::list<Sequence>::iterator sequence);
  void preempt(std::list<Sequence>::iterator sequence);
  void resume_preempted();
  bool has_room_for(int64_t tokens) const;
  bool free_blocks(int64_t blocks, bool keep_candidates = false);
  void keep_rows(const Sequence& sequence);
  void retire();

  Transformer& transformer;
  const Tokenizer* tokenizer;
  EngineOptions options;
  KvPool pool;
  DonorStore donors;
  Exactifier exactifier;
  Publisher publisher;
  std::deque<Queued> queue;
  std::list<Sequence> beginning;  // one at most: the prompt that is being prepared
  std::list<Sequence> measured;   // one at most: the prompt that is being measured
  std::list<Sequence> active;     // in the order in which they came
  std::list<Sequence> preempted;  // so too; all came behind the active ones
  int64_t preemptions = 0;
  std::vector<float> logits;
  std::shared_ptr<const PromptStart> measured_start;
  std::optional<Coroutine> measuring;  // works on the above
};

}  // namespace kvs
