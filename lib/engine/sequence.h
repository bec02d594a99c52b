#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/decode_repair.h"
#include "engine/exact_start.h"
#include "engine/stop_matcher.h"
#include "kvs/engine.h"
#include "kvs/layered_view.h"

namespace kvs {

/// A task being worked on: its view, the rows of its prompt that are still to be computed, and the
/// answer so far. First the prompt's rows are computed in chunks, then one row a step. Where its
/// rows were dropped, the prompt and the answer so far take the prompt's place.
class Sequence {
 public:
  using Clock = std::chrono::steady_clock;

  /// `started`: when work on it began.
  Sequence(Task task, std::function<void(Response)> done, const Tokenizer* tokenizer,
           Clock::time_point started = Clock::now());

  /// Takes the prompt's plan; `view` covers the prompt.
  void start(const ReusePlan& plan, std::span<const ReuseDonor> donors, KvView view);

  /// The same for a prompt whose rows are all computed, at the given cost.
  void start_computed(const ReusePlan& plan, std::span<const ReuseDonor> donors, LayeredView view,
                      double computed_share);

  /// Gives up all rows, and repair with them; start_again() puts others in their place.
  void drop_rows();
  /// `again` covers all tokens so far.
  void start_again(ExactStart again);

  /// From here on kept rows of the prompt are computed while decoding, as the task's options say.
  void allow_repair(const ReusePlan& plan, Transformer& transformer);
  bool repairs() const { return repair_.has_value(); }
  /// Says what DecodeRepair::observe() wants to know, while decoding.
  void observe(int layer, const Tensor& qkv, const BatchPlan& plan, int32_t row);

  /// Positions of the rows to compute in this step, ascending, at most `room`. While decoding this
  /// appends a fresh row for the last token, and puts fresh ones in place of those to be repaired.
  /// Empty where there is no room.
  std::vector<int64_t> next_rows(int64_t room, KvPool& pool);

  bool decoding() const { return next_row_ == rows_.size(); }
  /// Of the prompt, to be computed.
  int64_t rows_left() const { return static_cast<int64_t>(rows_.size() - next_row_); }
  /// The rows given out last end with one whose logits say the next token.
  bool needs_logits() const { return decoding() && task.max_tokens > 0; }
  int32_t token_at(int64_t position) const;
  /// The prompt and the answer so far.
  std::span<const int32_t> tokens() const { return history_; }

  /// To be called when the rows given out last are computed.
  void rows_computed();

  /// How many of the largest logits accept_some() needs, beside those of own_tokens(); 0: somebody
  /// wants all.
  int needed_logits() const;
  std::vector<int32_t> own_tokens(int32_t vocab) const;

  /// Draws the next token from its logits.
  void accept(std::span<const float> logits);
  void accept_some(std::span<const TopLogit> logits);

  bool done() const { return !finish_reason_.empty() || (decoding() && task.max_tokens == 0); }
  /// Whether there is something to do, and somebody who wants it; else it is done from here on.
  bool proceeds();
  bool failed() const { return !error_.empty(); }
  void fail(std::string message);

  /// The tokens whose rows are in the view, in order.
  std::vector<int32_t> tokens_in_view() const;
  Response response();
  double ms_since_start() const;

  Task task;
  std::function<void(Response)> done_callback;
  LayeredView view;
  ReuseReport report;
  struct Rows {
    int64_t first = 0, end = 0;
  };
  Rows early;                      ///< that were computed for this prompt before it began: no reuse
  std::vector<DonorPlace> places;  ///< of a plan's donors, for start(); memory where there is none

 private:
  bool forced() const { return generated() < task.forced.size(); }
  size_t generated() const { return history_.size() - task.tokens.size(); }
  void take(int32_t token, bool was_forced, std::span<const float> logits);
  void emit(const std::string& text);
  void finish(std::string reason);

  const Tokenizer* tokenizer_;
  Sampler sampler_;
  StopMatcher stops_;
  std::optional<Detokenizer> detokenizer_;
  Clock::time_point started_;
  std::optional<DecodeRepair> repair_;
  std::vector<int64_t> rows_;  // of the prompt, to be computed
  size_t next_row_ = 0;
  bool prompt_done_ = false;
  std::vector<int32_t> history_;  // prompt and answer
  std::string text_;
  double last_ms_ = 0;  // when the latest token came, since the start
  std::string finish_reason_;
  std::string error_;
};

}  // namespace kvs
