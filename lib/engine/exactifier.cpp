#include "engine/exactifier.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "engine/exact_start.h"
#include "engine/run_batch.h"
#include "engine/step_batch.h"
#include "kvs/cover.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxTexts = 64;   // texts; the oldest is dropped
constexpr int kRowsPerStep = 128;  // few, since a request that comes now waits for them

}  // namespace

Exactifier::Exactifier(Transformer& transformer, KvPool& pool, DonorStore& donors,
                       const EngineOptions& options)
    : transformer_(transformer), pool_(pool), donors_(donors), options_(options) {}

void Exactifier::add(InexactText text) {
  if (text.tokens.empty()) return;
  if (!text.conversation.empty())
    std::erase_if(waiting_, [&](const InexactText& earlier) {
      return earlier.conversation == text.conversation && earlier.tenant == text.tenant;
    });
  waiting_.push_back(std::move(text));
  if (waiting_.size() > kMaxTexts) waiting_.pop_front();
}

// Those that an alignment with exact rows leaves over, however many donors they lie in.
int64_t Exactifier::new_tokens(const InexactText& text) {
  const std::vector<ReuseDonor> found =
      donors_.find({.tokens = text.tokens, .tenant = text.tenant});
  std::vector<std::span<const int32_t>> exact;
  for (const ReuseDonor& donor : found)
    if (donor.only_at < 0)  // pieces of published text are exact, and begin nothing
      exact.push_back(donor.depth == 0 ? donor.tokens : donor.tokens.first(donor.exact_rows));
  const std::vector<SourceSpan> spans =
      cover(text.tokens, exact, {.span_cost = 0, .donor_cost = 0});
  return std::accumulate(spans.begin(), spans.end(), static_cast<int64_t>(text.tokens.size()),
                         [](int64_t left, const SourceSpan& span) { return left - span.count; });
}

std::optional<Exactifier::Running> Exactifier::begin(InexactText text) {
  if (!worth_exactifying(new_tokens(text), static_cast<int64_t>(text.tokens.size())))
    return std::nullopt;
  std::optional<ExactStart> start = start_exact(text.tokens, text.tenant, donors_, pool_);
  if (!start) return std::nullopt;
  const int64_t first = start->rows.front();
  return Running{std::move(text), LayeredView(std::move(start->view)), first};
}

bool Exactifier::step() {
  const auto start = std::chrono::steady_clock::now();
  while (!running_ && !waiting_.empty()) {
    InexactText text = std::move(waiting_.front());
    waiting_.pop_front();
    try {
      running_ = begin(std::move(text));
    } catch (const Error&) {
      continue;  // what is wrong with a donor is said to the next request that meets it
    }
  }
  if (running_) compute_some();
  done_.ms +=
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  return running_ || !waiting_.empty();
}

// The rows behind the prefix are computed in order, so each sees exact ones only.
void Exactifier::compute_some() {
  Running& run = *running_;
  const auto size = static_cast<int64_t>(run.text.tokens.size());
  const int64_t count = std::min<int64_t>({size - run.next, kRowsPerStep, options_.rows_per_step});
  std::vector<int64_t> positions(count);
  std::iota(positions.begin(), positions.end(), run.next);
  StepBatch batch;
  batch.add(run.view, positions, std::span(run.text.tokens).subspan(run.next, count), false);
  // Nobody waits for this text: where memory is short, donors and free blocks stay.
  run_batch(transformer_, batch.finish(), pool_.layout().type, {}, [] {});
  run.next += count;
  done_.rows += count;
  if (run.next == size) finish();
}

void Exactifier::finish() {
  Running run = *std::exchange(running_, std::nullopt);
  ++done_.texts;
  const KvView& view = run.view.top();
  InexactText& text = run.text;
  donors_.go_on_over({.tokens = text.tokens,
                      .tenant = text.tenant,
                      .conversation = text.conversation,
                      .owner = text.owner},
                     view);
  donors_.add_to_tiers(text.id, text.tenant, text.tokens, view, text.owner);
  donors_.add(std::move(text.id), text.tenant, std::move(text.tokens), view,
              DonorStore::kUnknownDepth, text.owner);
}

void Exactifier::forget(const DonorFilter& which) {
  const auto goes = [&](const InexactText& text) {
    return which({.id = text.id, .tenant = text.tenant, .tokens = text.tokens});
  };
  std::erase_if(waiting_, goes);
  if (running_ && goes(running_->text)) running_.reset();
}

void Exactifier::pause() {
  if (!running_) return;
  Running run = *std::exchange(running_, std::nullopt);
  KvView done;
  done.append_shared(run.view.top(), 0, run.next, true);
  std::vector<int32_t> tokens(run.text.tokens.begin(), run.text.tokens.begin() + run.next);
  donors_.add(run.text.id, run.text.tenant, std::move(tokens), done, DonorStore::kUnknownDepth,
              run.text.owner);
  waiting_.push_front(std::move(run.text));
}

}  // namespace kvs
