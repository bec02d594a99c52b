#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/run_batch.h"
#include "kvs/error.h"

// One forward pass over the active tasks.
namespace kvs {
namespace {

constexpr std::chrono::milliseconds kTierWait{5};  // before others may have something to do
constexpr std::chrono::milliseconds kPause{1};     // where nobody takes what there is

// Sequences that repair look at the attention of their newest token: the row whose logits they
// want.
Transformer::BatchObserver repair_observer(const Step& step) {
  const auto repairs = [](const Sequence* sequence) { return sequence->repairs(); };
  if (std::none_of(step.owners.begin(), step.owners.end(), repairs)) return {};
  return [&step](int layer, int64_t first, const Tensor& qkv, const BatchPlan& plan) {
    for (size_t i = 0; i < step.owners.size(); ++i) {
      const int64_t row = step.batch.logits_row(i) - first;
      if (row >= 0 && row < qkv.shape[0])
        step.owners[i]->observe(layer, qkv, plan, static_cast<int32_t>(row));
    }
  };
}

bool keeps_up(const Sequence& sequence) {
  return !sequence.task.keeps_up || sequence.task.keeps_up();
}

bool is_paused(const Sequence& sequence) {
  return !sequence.done() && !keeps_up(sequence);
}

struct PromptRows {
  Sequence* sequence;
  int64_t count;
};

// Half of the rows are the oldest prompt's, lest it wait for ever; the others go to those that have
// the fewest left, so that a short prompt does not wait for a long one. `prompts`: the oldest
// first.
std::vector<PromptRows> share_rows(const std::vector<Sequence*>& prompts, int64_t rows) {
  std::vector<PromptRows> shares;
  for (Sequence* prompt : prompts) {
    const bool oldest = shares.empty();
    shares.push_back({prompt, oldest ? std::min(prompt->rows_left(), (rows + 1) / 2) : 0});
    rows -= shares.back().count;
  }
  std::stable_sort(shares.begin(), shares.end(), [](const PromptRows& a, const PromptRows& b) {
    return a.sequence->rows_left() < b.sequence->rows_left();
  });
  for (PromptRows& share : shares) {
    const int64_t more = std::min(share.sequence->rows_left() - share.count, rows);
    share.count += more;
    rows -= more;
  }
  return shares;
}

}  // namespace

void Engine::Impl::add_rows(Sequence& sequence, int64_t room, Step& step) {
  const std::vector<int64_t> positions = sequence.next_rows(room, pool);
  if (positions.empty()) return;
  std::vector<int32_t> tokens;
  tokens.reserve(positions.size());
  for (const int64_t position : positions) tokens.push_back(sequence.token_at(position));
  step.batch.add(sequence.view, positions, tokens, sequence.needs_logits());
  step.working.push_back(&sequence);
  if (sequence.needs_logits()) step.owners.push_back(&sequence);
}

// A token more of every answer, whatever prompts there are.
void Engine::Impl::collect_answers(Step& step) {
  for (auto sequence = active.begin(); sequence != active.end(); ++sequence) {
    if (!sequence->proceeds() || !sequence->decoding() || !keeps_up(*sequence)) continue;
    try {
      if (!make_room(sequence)) break;  // it was the last one
      add_rows(*sequence, options.rows_per_step - step.batch.rows(), step);
    } catch (const Error& e) {
      if (e.kind() == ErrorKind::device) throw;
      sequence->fail(e.what());
    }
  }
}

void Engine::Impl::collect_prompts(Step& step) {
  std::vector<Sequence*> prompts;
  for (Sequence& sequence : active)
    if (sequence.proceeds() && !sequence.decoding()) prompts.push_back(&sequence);
  for (const auto& [prompt, rows] : share_rows(prompts, options.rows_per_step - step.batch.rows()))
    add_rows(*prompt, rows, step);
}

void Engine::Impl::compute(Step& step) {
  try {
    run(step.batch.finish(), repair_observer(step));
    for (Sequence* sequence : step.working) sequence->rows_computed();
    try {
      consume_logits(step.owners);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::memory) throw;
      release_memory();
      consume_logits(step.owners);
    }
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::memory) throw;
    for (Sequence* sequence : step.working) sequence->fail(e.what());
  }
}

// Where memory runs out, donors make way.
void Engine::Impl::run(const Batch& batch, const Transformer::BatchObserver& observer) {
  run_batch(transformer, batch, options.kv_type, observer, [this] { release_memory(); });
}

// Only those that may be drawn are brought here, unless somebody wants all.
void Engine::Impl::consume_logits(const std::vector<Sequence*>& owners) {
  const int32_t vocab = transformer.config().vocab;
  int count = 1;
  bool all = owners.empty();  // waits for the rows
  for (const Sequence* owner : owners) {
    count = std::max(count, owner->needed_logits());
    all = all || owner->needed_logits() == 0;
  }
  if (!all) return consume_top_logits(owners, std::min(count, vocab));
  transformer.download_logits(std::ssize(owners), logits);
  for (size_t row = 0; row < owners.size(); ++row)
    owners[row]->accept(std::span(logits).subspan(row * vocab, vocab));
}

void Engine::Impl::consume_top_logits(const std::vector<Sequence*>& owners, int count) {
  std::vector<LogitPlace> apart;
  for (size_t row = 0; row < owners.size(); ++row)
    for (const int32_t token : owners[row]->own_tokens(transformer.config().vocab))
      apart.push_back({static_cast<int32_t>(row), token});
  std::vector<float> values(apart.size());
  std::vector<TopLogit> top(owners.size() * count);
  transformer.top_logits(std::ssize(owners), top, apart, values);

  size_t next = 0;
  for (size_t row = 0; row < owners.size(); ++row) {
    std::vector<TopLogit> some;
    for (; next < apart.size() && apart[next].row == static_cast<int32_t>(row); ++next)
      some.push_back({apart[next].token, values[next]});
    const auto others = std::span(top).subspan(row * count, count);
    for (const TopLogit& other : others)  // behind all others are those that stand apart
      if (some.empty() || !std::isnan(other.logit)) some.push_back(other);
    owners[row]->accept_some(some);
  }
}

void Engine::Impl::keep_rows(const Sequence& sequence) {
  const Task& task = sequence.task;
  const KvView& view = sequence.view.top();
  std::vector<int32_t> tokens = sequence.tokens_in_view();
  const int depth = sequence.report.depth;
  if (!task.conversation.empty())
    donors.keep_conversation({.tokens = tokens,
                              .tenant = task.tenant,
                              .conversation = task.conversation,
                              .owner = task.owner},
                             view, depth);
  if (task.exactify && view.exact_rows() < view.size())
    exactifier.add({task.id, task.tenant, task.conversation, tokens, task.owner});
  if (!task.store) return;
  publisher.add(task);
  donors.add_to_tiers(task.id, task.tenant, tokens, view, task.owner);
  donors.add(task.id, task.tenant, std::move(tokens), view, depth, task.owner);
}

// Stores what finished sequences computed, answers and forgets them.
void Engine::Impl::retire() {
  for (auto sequence = active.begin(); sequence != active.end();) {
    if (!sequence->done()) {
      ++sequence;
      continue;
    }
    // Else rows of the prompt are missing.
    if (!sequence->failed() && sequence->decoding()) keep_rows(*sequence);
    const auto done = std::move(sequence->done_callback);
    Response response = sequence->response();
    sequence = active.erase(sequence);
    done(std::move(response));
  }
}

// One pass over those under way.
void Engine::Impl::advance() {
  Step step;
  collect_answers(step);
  collect_prompts(step);
  if (step.batch.rows() > 0)
    compute(step);
  else if (measured.empty() && std::any_of(active.begin(), active.end(), is_paused))
    std::this_thread::sleep_for(kPause);
  retire();
}

bool Engine::step() {
  Impl& impl = *impl_;
  impl.donors.work_on_tiers();
  impl.admit();
  const bool waits = impl.active.empty() && impl.measured.empty() && !impl.queue.empty();
  if (waits && !impl.compute_early(impl.queue.front())) impl.donors.wait_for_tiers(kTierWait);
  impl.go_on_measuring();
  impl.advance();
  return impl.busy();
}

}  // namespace kvs
