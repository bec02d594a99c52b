#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/donor_store.h"
#include "kvs/export.h"
#include "kvs/kv_pool.h"
#include "kvs/layered_view.h"
#include "kvs/response.h"
#include "kvs/reuse.h"
#include "kvs/sampler.h"
#include "kvs/tokenizer.h"
#include "kvs/transformer.h"

namespace kvs {

/// One prompt to be answered, in tokens.
struct Task {
  std::string id;
  std::vector<int32_t> tokens;  ///< at least one
  std::string tenant;
  std::string owner;  ///< of the donors that come of it, see DonorLookup; "": the tenant
  /// Turns of one conversation may go on over their own approximate rows; "" for none.
  std::string conversation;
  int64_t max_tokens = 128;  ///< 0: the prompt is computed and stored, nothing is generated
  SamplingOptions sampling;
  std::vector<std::string> stop;  ///< the answer ends in front of the first of these texts
  ReuseOptions reuse;
  bool store = true;      ///< keep the exact rows as a donor when the task is done
  bool exactify = false;  ///< where some were approximate, queue the text for exactify_step()

  /// The first tokens of the answer, whatever the logits say; behind them tokens are drawn. End
  /// tokens among them do not end the answer. With the tokens of another answer this is teacher
  /// forcing.
  std::vector<int32_t> forced;

  /// Called with the logits of each token of the answer, [vocab], before it is drawn or forced;
  /// `step` counts from 0. The end token has logits too.
  std::function<void(int64_t step, std::span<const float> logits)> on_logits;

  /// Called once, when it is decided what is reused, before anything is computed but what was while
  /// rows of a tier were awaited: such rows are exact ones here.
  std::function<void(const ReusePlan& plan)> on_plan;

  /// Called behind each pass over the prompt but its last one, with a view that covers the prompt:
  /// the first `rows` of it are computed or kept, the others are not to be read yet.
  std::function<void(const LayeredView& view, int64_t rows)> on_rows;

  /// Called once, when all of the prompt's rows are computed: with a view that covers the prompt.
  std::function<void(const LayeredView& view)> on_prompt;

  /// Called with each token of the answer, the end token excepted, and the logits it was drawn
  /// from, [vocab]; before on_text with the text that it completes.
  std::function<void(int32_t token, std::span<const float> logits)> on_token;

  /// Asked before each forward pass; false ends the answer ("cancelled"), also within the prompt.
  std::function<bool()> wanted;

  /// Asked before each token of the answer but the first; it pauses while this is false.
  std::function<bool()> keeps_up;

  /// Called with each piece of text as it becomes final; whole characters only. Returning false
  /// ends the answer ("cancelled").
  std::function<bool(std::string_view text)> on_text;
};

struct EngineOptions {
  int64_t max_blocks = 1024;  ///< of the pool
  DType kv_type = DType::f16;
  int rows_per_step = Transformer::kMaxRows;  ///< prefill rows and decode rows of one forward pass
  int parallel = 1;                           ///< tasks worked on at the same time
  DonorStoreOptions donors{};                 ///< what depends on the model is filled in
  TokenCosines cosines;                       ///< of the model's tokens; needed by fuzzy reuse only
};

/// When texts that were answered over approximate rows are computed again, to be donors.
enum class Exactify {
  off,
  idle,    ///< while no request is waiting
  always,  ///< while none is being answered, though others may wait
};
/// Throws Error(argument).
KVS_API Exactify exactify_from_name(std::string_view name);

/// Tokens some of whose rows were computed over approximate ones.
struct InexactText {
  std::string id;
  std::string tenant;
  std::string conversation;  ///< that goes on over it; "" for none
  std::vector<int32_t> tokens;
  std::string owner;  ///< see Task
};

/// What was computed behind the requests' backs.
struct BackgroundWork {
  int64_t texts = 0;  ///< that became exact
  int64_t rows = 0;   ///< computed in all layers
  double ms = 0;
};

/// Answers prompts: finds donors, edits their KV into the prompt's, computes what is missing,
/// decodes, and keeps the prompt's exact rows as a donor. Not thread-safe.
class KVS_API Engine {
 public:
  /// The transformer and the tokenizer must outlive the engine; a null tokenizer gives no text.
  Engine(Transformer& transformer, const Tokenizer* tokenizer, const EngineOptions& options);
  ~Engine();

  /// Throws what submit() would. May be called from any thread while others use the engine.
  void check(const Task& task) const;

  /// Queues a task. `done` is called from step() with its response, in the order of completion.
  /// Throws Error(argument), naming the task, where the prompt and max_tokens exceed the model's
  /// context or the pool.
  void submit(Task task, std::function<void(Response)> done);

  /// Runs one forward pass over all active tasks: chunks of their prompts, or one more token each.
  /// A task whose donors are in a tier (see DonorStore::open_tiers()) begins when their rows have
  /// come; others pass it meanwhile. Returns whether work is left. Where a task fails, its response
  /// says so in finish_reason. Where the pool is full and giving up donors does not help, the
  /// newest tasks make way: their rows are computed again, exactly, when there is room. Where
  /// memory runs out on the backend, donors make way for what is worked on, then fewer rows are
  /// computed together; tasks fail where that does not help. Throws Error(device) where the device
  /// fails: the engine can do nothing any more.
  bool step();

  /// How often a task made way for others.
  int64_t preemptions() const;

  /// Exactify: queues a text to be computed again from its first approximate row on, in order, so
  /// that its rows equal a cold run's and it becomes a donor; a conversation goes on over them.
  /// At most 64 texts wait, the oldest is dropped. Source: design, section 6.
  void exactify(InexactText text);

  /// To be called when there is nothing else to do: one forward pass of at most 128 rows over the
  /// next queued text that is worth a donor: worth_exactifying(), new being what stands in no exact
  /// donor that its tenant sees, as an alignment with those that a look-up finds says. Text that is
  /// to be published (DonorStore::publish_by()) is found and queued here too. Returns whether work
  /// is left. Does nothing while there are tasks, and makes room for their rows.
  bool exactify_step();
  const BackgroundWork& background() const;

  /// DonorStore::forget(), and none of the queued texts that `which` takes become donors. Prompts
  /// under way may.
  std::vector<ForgottenDonors> forget(const DonorFilter& which);

  /// Submits one task and runs until it is done.
  Response run(Task task);

  /// How the task's rows would come about now, before anything is measured; nothing is loaded.
  ReusePlan plan(const Task& task);

  /// The logits behind a prompt (all its rows computed, by this engine) and each token of a
  /// continuation, at most Transformer::kMaxLogitsRows of them, in one forward pass: as many rows
  /// of [vocab]. The prompt's view stays as it is. Throws Error(memory) where the pool is full.
  std::vector<std::vector<float>> continuation_logits(const LayeredView& prompt,
                                                      std::span<const int32_t> continuation);

  DonorStore& donors();
  KvPool& pool();
  const EngineOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvs
