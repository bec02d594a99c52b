#include "engine/sequence.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "kvs/selector.h"

namespace kvs {
namespace {

using Kind = PlanSpan::Kind;

void add_rows(DonorUse& use, const ReusePlan& plan, int32_t donor) {
  for (const PlanSpan& span : plan.spans) {
    if (span.donor != donor || !span.shared()) continue;
    use.tokens += span.count;
    if (span.kind == Kind::exact) use.exact += span.count;
    if (span.kind == Kind::shifted) use.shifted += span.count;
    if (span.kind == Kind::fuzzy) use.fuzzy += span.count;
  }
}

// Lossless rows among these were computed for this very prompt: one that shares no others had no
// donor.
ReusePlan with_computed(ReusePlan plan, const Sequence::Rows& rows) {
  std::vector<PlanSpan> spans;
  for (PlanSpan span : plan.spans) {
    const int64_t end = span.first + span.count;
    const int64_t from = std::clamp(rows.first, span.first, end);
    const int64_t to = std::clamp(rows.end, from, end);
    if (span.kind != Kind::exact || from == to) {
      spans.push_back(span);
      continue;
    }
    const auto part = [&](int64_t first, int64_t last, bool computed) {
      PlanSpan some = span;
      some.first = first;
      some.count = last - first;
      some.donor_first += first - span.first;
      if (computed) some = {.kind = Kind::computed, .first = first, .count = last - first};
      if (some.count > 0) spans.push_back(some);
    };
    part(span.first, from, false);
    part(from, to, true);
    part(to, end, false);
  }
  plan.spans = std::move(spans);
  const bool shares = std::ranges::any_of(plan.spans, &PlanSpan::shared);
  if (plan.reason == ReuseReason::none && rows.first < rows.end && !shares)
    plan.reason = ReuseReason::no_donor;
  return plan;
}

void fill(ReuseReport& report, const ReusePlan& plan, std::span<const ReuseDonor> donors,
          std::span<const DonorPlace> places) {
  report.exact = plan.count(Kind::exact);
  report.shifted = plan.count(Kind::shifted);
  report.fuzzy = plan.count(Kind::fuzzy);
  report.recomputed = plan.count(Kind::recomputed);
  report.computed = plan.count(Kind::computed);
  report.spans = plan.spans;
  report.budget = plan.budget;
  report.reason = plan.reason;
  // What a rule computes in all layers or in none; start_computed() knows better.
  report.computed_share = static_cast<double>(report.recomputed + report.computed) /
                          static_cast<double>(report.prompt_tokens);
  int64_t pieces = 0;  // of an edited prompt, which is one donor
  for (size_t donor = 0; donor < donors.size(); ++donor) {
    if (plan.tokens_of(static_cast<int32_t>(donor)) == 0) continue;
    if (donors[donor].only_at < 0 || pieces++ == 0) {
      const DonorPlace place = donor < places.size() ? places[donor] : DonorPlace::memory;
      report.donors.push_back(
          {.id = donors[donor].id, .similarity = donors[donor].similarity, .place = place});
    }
    add_rows(report.donors.back(), plan, static_cast<int32_t>(donor));
  }
}

// See ReuseDonor::depth. Rows that were kept at first and computed later are over approximate ones.
int depth_of(const LayeredView& view, const ReusePlan& plan, std::span<const ReuseDonor> donors) {
  if (view.top().exact_rows() == view.size()) return 0;
  int depth = 0;
  for (const PlanSpan& span : plan.spans)
    if (span.donor >= 0 && span.kind != Kind::exact)
      depth = std::max(depth, donors[span.donor].depth);
  return depth + 1;
}

}  // namespace

Sequence::Sequence(Task t, std::function<void(Response)> done, const Tokenizer* tokenizer,
                   Clock::time_point started)
    : task(std::move(t)),
      done_callback(std::move(done)),
      tokenizer_(tokenizer),
      sampler_(task.sampling),
      stops_(task.stop),
      started_(started),
      rows_(task.tokens.size()),  // all are missing yet
      history_(task.tokens) {
  if (tokenizer_) detokenizer_.emplace(*tokenizer_);
  report.mode = task.reuse.mode;
  report.policy = task.reuse.policy;
  report.prompt_tokens = static_cast<int64_t>(task.tokens.size());
}

void Sequence::start(const ReusePlan& plan, std::span<const ReuseDonor> donors, KvView built) {
  view = LayeredView(std::move(built));
  rows_ = plan.rows_to_compute();
  fill(report, with_computed(plan, early), donors, places);
  report.depth = depth_of(view, plan, donors);
}

void Sequence::start_computed(const ReusePlan& plan, std::span<const ReuseDonor> donors,
                              LayeredView built, double computed_share) {
  view = std::move(built);
  rows_.clear();
  fill(report, with_computed(plan, early), donors, places);
  report.depth = depth_of(view, plan, donors);
  const auto computed_early = report.computed - plan.count(Kind::computed);
  report.computed_share = computed_share + static_cast<double>(computed_early) /
                                               static_cast<double>(report.prompt_tokens);
}

void Sequence::drop_rows() {
  view = {};
  repair_.reset();
  rows_.resize(history_.size());
  std::iota(rows_.begin(), rows_.end(), int64_t{0});
  next_row_ = 0;
}

// What the first plan reused counts only where it led to a token.
void Sequence::start_again(ExactStart again) {
  view = LayeredView(std::move(again.view));
  rows_ = std::move(again.rows);
  next_row_ = 0;
  if (generated() > 0) return;
  report.exact = view.size() - std::ssize(rows_);
  report.computed = std::ssize(rows_);
  report.shifted = report.fuzzy = report.recomputed = 0;
  report.depth = 0;
  report.donors.clear();
  report.computed_share = static_cast<double>(report.computed) / static_cast<double>(view.size());
}

void Sequence::allow_repair(const ReusePlan& plan, Transformer& transformer) {
  if (task.reuse.repair_rows == 0 || plan.kept() == 0) return;
  const std::vector<double> deviation = expected_deviation(plan.spans);
  std::vector<DecodeRepair::Row> kept;
  for (const PlanSpan& span : plan.spans)
    for (int64_t row = 0; span.kept() && row < span.count; ++row)
      kept.push_back({span.first + row, deviation[kept.size()]});
  const int64_t positions = static_cast<int64_t>(task.tokens.size()) + task.max_tokens;
  repair_.emplace(transformer, std::move(kept), positions, task.reuse.repair_rows);
}

void Sequence::observe(int layer, const Tensor& qkv, const BatchPlan& plan, int32_t row) {
  if (repair_ && decoding()) repair_->observe(layer, qkv, plan, row);
}

std::vector<int64_t> Sequence::next_rows(int64_t room, KvPool& pool) {
  std::vector<int64_t> positions;
  if (room <= 0) return positions;
  if (!decoding()) {
    const size_t count = std::min<size_t>(room, rows_.size() - next_row_);
    positions.assign(rows_.begin() + next_row_, rows_.begin() + next_row_ + count);
    next_row_ += count;
    return positions;
  }
  const bool exact = view.top().exact_rows() == view.size();
  view.append_fresh(pool, 1, exact);
  // Repair is left out where the pool has no room for it.
  if (repair_ && pool.blocks_left() > 2 + repair_->most_rows() / kBlockTokens)
    positions = repair_->take(room - 1);
  for (const int64_t position : positions) view.replace_by_fresh(pool, position, 1, false);
  positions.push_back(view.size() - 1);
  return positions;
}

void Sequence::rows_computed() {
  if (prompt_done_) return;
  if (!decoding()) {
    if (task.on_rows) task.on_rows(view, rows_[next_row_]);
    return;
  }
  prompt_done_ = true;
  if (task.on_prompt) task.on_prompt(view);
}

int32_t Sequence::token_at(int64_t position) const {
  return history_[position];
}

int Sequence::needed_logits() const {
  return task.on_logits || task.on_token ? 0 : sampler_.needed();
}

std::vector<int32_t> Sequence::own_tokens(int32_t vocab) const {
  return sampler_.own_tokens(history_, task.tokens.size(), vocab);
}

void Sequence::accept(std::span<const float> logits) {
  const size_t step = generated();
  if (task.on_logits) task.on_logits(static_cast<int64_t>(step), logits);
  if (forced()) return take(task.forced[step], true, logits);
  take(sampler_.sample(logits, history_, task.tokens.size()), false, logits);
}

void Sequence::accept_some(std::span<const TopLogit> logits) {
  if (forced()) return take(task.forced[generated()], true, {});
  take(sampler_.sample_some(logits, history_, task.tokens.size()), false, {});
}

// `logits`: all of them, where somebody wants them.
void Sequence::take(int32_t token, bool was_forced, std::span<const float> logits) {
  last_ms_ = ms_since_start();
  if (generated() == 0) report.ttft_ms = last_ms_;
  if (!was_forced && tokenizer_ && tokenizer_->is_end_of_generation(token)) return finish("stop");

  history_.push_back(token);
  if (task.on_token) task.on_token(token, logits);
  if (detokenizer_) emit(stops_.push(detokenizer_->push(token)));
  if (stops_.found()) return finish("stop");
  if (static_cast<int64_t>(generated()) == task.max_tokens && !done()) finish("length");
}

void Sequence::emit(const std::string& text) {
  if (text.empty()) return;
  text_ += text;
  if (task.on_text && !task.on_text(text)) finish("cancelled");
}

void Sequence::finish(std::string reason) {
  if (done()) return;
  finish_reason_ = std::move(reason);
  if (finish_reason_ == "cancelled" || stops_.found() || !detokenizer_) return;
  emit(stops_.push(detokenizer_->finish()));
  emit(stops_.finish());
}

bool Sequence::proceeds() {
  if (!done() && task.wanted && !task.wanted()) finish("cancelled");
  return !done();
}

void Sequence::fail(std::string message) {
  error_ = std::move(message);
  finish_reason_ = "error";
}

double Sequence::ms_since_start() const {
  return std::chrono::duration<double, std::milli>(Clock::now() - started_).count();
}

std::vector<int32_t> Sequence::tokens_in_view() const {
  assert(view.size() <= static_cast<int64_t>(history_.size()));
  return {history_.begin(), history_.begin() + view.size()};
}

Response Sequence::response() {
  const size_t prompt = task.tokens.size();
  if (generated() > 1)
    report.tpot_ms = (last_ms_ - report.ttft_ms) / static_cast<double>(generated() - 1);
  return {.id = task.id,
          .text = std::move(text_),
          .tokens = {history_.begin() + prompt, history_.end()},
          .finish_reason = finish_reason_.empty() ? "length" : finish_reason_,
          .error = error_,
          .reuse = report};
}

}  // namespace kvs
