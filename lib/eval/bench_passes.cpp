#include "eval/bench_passes.h"

#include <algorithm>
#include <random>

namespace kvs {
namespace {

constexpr int64_t kMostBlocks = 1 << 20;  // memory is taken as it is needed

}  // namespace

BenchPasses::BenchPasses(Transformer& transformer, const BenchOptions& options)
    : transformer_(transformer),
      options_(options),
      pool_(transformer.backend(), transformer.kv_layout(options.kv_type), kMostBlocks) {}

void BenchPasses::say(std::string_view what) const {
  if (options_.progress) options_.progress(what);
}

std::vector<int32_t> BenchPasses::random_tokens(int64_t count, unsigned seed) const {
  std::mt19937 random(seed);
  const int vocab = transformer_.config().vocab;
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % vocab);
  return tokens;
}

// Appends fresh rows to the view and computes them in chunks; logits of the last row.
void BenchPasses::compute(KvView& view, int64_t count) {
  const int64_t first = view.size();
  view.append_fresh(pool_, count, true);
  const auto tokens = random_tokens(count, 7);
  for (int64_t done = 0; done < count;) {
    const int64_t end = std::min<int64_t>(count, done + Transformer::kMaxRows);
    Batch batch;
    for (int64_t row = done; row < end; ++row) {
      const KvView::Slot slot = view.slot(first + row);
      batch.tokens.push_back(tokens[row]);
      batch.layout.rows.push_back(
          {.position = static_cast<int32_t>(first + row), .block = slot.block, .slot = slot.row});
    }
    batch.layout.sequences.push_back(view.runs(first + end));
    if (end == count) batch.logits_rows.push_back(static_cast<int32_t>(end - done) - 1);
    transformer_.forward(batch, options_.kv_type, logits_);
    done = end;
  }
}

// One more row of each view, and its most likely token.
void BenchPasses::step(std::vector<KvView>& views) {
  Batch batch;
  for (KvView& view : views) {
    const auto position = static_cast<int32_t>(view.size());
    const auto sequence = static_cast<int32_t>(batch.tokens.size());
    view.append_fresh(pool_, 1, true);
    const KvView::Slot slot = view.slot(position);
    batch.tokens.push_back((7 * sequence + 11) % transformer_.config().vocab);
    batch.layout.rows.push_back({sequence, position, slot.block, slot.row});
    batch.layout.sequences.push_back(view.runs(position + 1));
    batch.logits_rows.push_back(sequence);
  }
  std::vector<TopLogit> top(views.size());
  transformer_.run(batch, options_.kv_type);
  transformer_.top_logits(static_cast<int64_t>(views.size()), top, {}, {});
}

KvView BenchPasses::cached(int64_t count) {
  KvView view;
  compute(view, count);
  return view;
}

const KvView& BenchPasses::context() {
  if (!context_) context_ = cached(options_.context);
  return *context_;
}

double BenchPasses::rows_seconds(const KvView& cached, int64_t count) {
  const auto shared = [&] {
    KvView view;
    view.append_shared(cached, 0, cached.size(), true);
    return view;
  };
  return median_seconds(options_.repeats, shared, [&](KvView& view) { compute(view, count); });
}

// Steps are short, and are run more often.
double BenchPasses::step_seconds(std::span<const KvView> cached) {
  const auto shared = [&] {
    std::vector<KvView> views(cached.size());
    for (size_t i = 0; i < views.size(); ++i)
      views[i].append_shared(cached[i], 0, cached[i].size(), true);
    return views;
  };
  return median_seconds(4 * options_.repeats, shared, [&](auto& views) { step(views); });
}

}  // namespace kvs
