#include "engine/prompt_pass.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace kvs {
namespace {

using Kind = PlanSpan::Kind;

// More rows of a prompt tell a guard no more.
constexpr size_t kMostHaloRows = 8;
constexpr size_t kMostDriftRows = 64;

// Attention that queries give to positions, summed on the backend.
class MassSum {
 public:
  MassSum(Backend& backend, int64_t positions)
      : backend_(backend), sum_(backend, DType::f32, {positions}), positions_(positions) {
    backend.zero(sum_.tensor().data, positions * sizeof(float));
  }

  /// `rows`: of the chunk.
  void add(const ForwardPass::Chunk& chunk, std::span<const int32_t> rows) {
    if (rows.empty()) return;
    backend_.attention_mass(sum_.tensor(), chunk.qkv, chunk.plan, chunk.layer, rows);
  }

  std::vector<float> read() {
    std::vector<float> mass(positions_);
    backend_.download(mass.data(), sum_.tensor().data, mass.size() * sizeof(float));
    return mass;
  }

 private:
  Backend& backend_;
  Buffer sum_;
  int64_t positions_;
};

// Rows of the chunk that stand at one of `positions`.
std::vector<int32_t> rows_at(const ForwardPass& pass, const ForwardPass::Chunk& chunk,
                             std::span<const int64_t> positions) {
  std::vector<int32_t> rows;
  for (int64_t row = 0; row < chunk.count; ++row)
    if (std::binary_search(positions.begin(), positions.end(), pass.positions()[chunk.first + row]))
      rows.push_back(static_cast<int32_t>(row));
  return rows;
}

KvPair pair_of(const KvView::Slot& own, const KvView::Slot& kept) {
  return {.block = own.block,
          .kept_block = kept.block,
          .row = own.row,
          .kept_row = kept.row,
          .home = static_cast<int32_t>(own.home),
          .kept_home = static_cast<int32_t>(kept.home)};
}

std::vector<int64_t> union_of(std::span<const int64_t> a, std::span<const int64_t> b) {
  std::vector<int64_t> rows;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(rows));
  return rows;
}

// So many at most, evenly among them.
template <typename T>
std::vector<T> sample_of(std::vector<T> rows, size_t most) {
  if (rows.size() <= most) return rows;
  std::vector<T> sample;
  for (size_t i = 0; i < most; ++i) sample.push_back(rows[i * rows.size() / most]);
  return sample;
}

// Rows behind an edit that are computed although they have a source, and ask nothing.
std::vector<int64_t> halo_rows(const ReusePlan& plan, std::span<const int64_t> queries) {
  std::vector<int64_t> rows;
  for (const PlanSpan& span : plan.spans)
    for (int64_t row = span.first; row < span.first + span.count; ++row)
      if (span.kind == Kind::recomputed && !std::binary_search(queries.begin(), queries.end(), row))
        rows.push_back(row);
  return rows;
}

}  // namespace

PromptPass::PromptPass(Transformer& transformer, KvPool& pool, std::span<const int32_t> tokens,
                       const ReusePlan& plan, std::span<const ReuseDonor> donors,
                       const KvView& kept, Pace pace)
    : transformer_(transformer),
      pool_(pool),
      tokens_(tokens),
      plan_(plan),
      donors_(donors),
      kept_(kept),
      pace_(std::move(pace)),
      required_(plan.rows_to_compute()),
      layers_run_(tokens.size()),
      view_(kept),
      evidence_(evidence_of(plan)) {}

void PromptPass::start(std::vector<int64_t> positions) {
  if (pass_) rows_run_before_ += pass_->rows_run();
  pass_.emplace(transformer_, pool_.layout().type, tokens_, std::move(positions), pace_);
}

// The last row's attention in the last of the layers is noted: it costs one row.
void PromptPass::run(int end, const ForwardPass::Observer& observer) {
  if (rows_run() > 0 && pace_.between) pace_.between();
  MassSum last(transformer_.backend(), static_cast<int64_t>(tokens_.size()));
  const std::vector<int64_t> last_row{static_cast<int64_t>(tokens_.size()) - 1};
  pass_->run(end, view_, [&](const ForwardPass::Chunk& chunk) {
    if (chunk.layer == end - 1) last.add(chunk, rows_at(*pass_, chunk, last_row));
    if (observer) observer(chunk);
  });
  last_row_mass_ = last.read();
}

void PromptPass::count(std::span<const int64_t> positions, int layers) {
  for (const int64_t position : positions) layers_run_[position] += layers;
}

void PromptPass::compute_all(int end) {
  assert(!pass_);
  std::vector<int64_t> positions;
  for (const PlanSpan& span : plan_.spans) {
    if (span.kept())
      fresh_.append_fresh(pool_, span.count, true);
    else
      fresh_.append_shared(kept_, span.first, span.count, true);
    for (int64_t row = 0; span.kind != Kind::exact && row < span.count; ++row)
      positions.push_back(span.first + row);
  }
  view_ = LayeredView(fresh_);
  count(positions, end);
  start(std::move(positions));
  run(end);
}

void PromptPass::go_on(std::span<const int64_t> positions, int end) {
  view_.differ_from(pass_->layer(), mixed_view(kept_, fresh_, positions));
  count(positions, end - pass_->layer());
  pass_->keep(union_of(positions, required_));
  run(end);
}

std::vector<float> PromptPass::probe(std::span<const int64_t> queries, int layer_step) {
  assert(!pass_);
  probed_ = true;
  queries_.assign(queries.begin(), queries.end());
  start(required_);
  const auto size = static_cast<int64_t>(tokens_.size());
  const std::vector<int64_t> halos = sample_of(halo_rows(plan_, queries), kMostHaloRows);
  MassSum query_sum(transformer_.backend(), size), halo_sum(transformer_.backend(), size);
  run(layers(), [&](const ForwardPass::Chunk& chunk) {
    if (!is_measured(chunk.layer, layer_step)) return;
    query_sum.add(chunk, rows_at(*pass_, chunk, queries));
    halo_sum.add(chunk, rows_at(*pass_, chunk, halos));
  });
  std::vector<float> mass = query_sum.read();
  const int64_t measured = (layers() + layer_step - 1) / layer_step;
  for (float& share : mass) share /= static_cast<float>(measured);
  measure(mass, static_cast<int64_t>(queries.size()), halo_sum.read(),
          static_cast<int64_t>(halos.size()) * measured);
  measure_drift(layer_step);
  return mass;
}

void PromptPass::measure(std::span<const float> query_mass, int64_t queries,
                         std::span<const float> halo_mass, int64_t halos) {
  evidence_.measured = true;
  const auto last_kept = std::find_if(plan_.spans.rbegin(), plan_.spans.rend(),
                                      [](const auto& span) { return span.kept(); });
  for (const PlanSpan& span : plan_.spans) {
    const bool edit = span.kind == Kind::computed && last_kept != plan_.spans.rend() &&
                      span.first < last_kept->first;
    for (int64_t row = span.first; row < span.first + span.count; ++row) {
      if (span.kept()) evidence_.kept_mass += query_mass[row];
      if (edit) evidence_.edit_mass += query_mass[row];
      if (edit) evidence_.halo_mass += halo_mass[row];
    }
  }
  evidence_.kept_mass /= static_cast<double>(std::max<int64_t>(queries, 1));
  evidence_.edit_mass /= static_cast<double>(std::max<int64_t>(queries, 1));
  evidence_.halo_mass /= static_cast<double>(std::max<int64_t>(halos, 1));
}

bool PromptPass::is_measured(int layer, int layer_step) const {
  return (layers() - 1 - layer) % layer_step == 0;
}

// Of rows that have a source and are computed all the same, against their source.
void PromptPass::measure_drift(int layer_step) {
  std::vector<KvPair> pairs;
  for (const PlanSpan& span : plan_.spans) {
    if (span.kind != Kind::recomputed) continue;
    const KvView* source = donors_[span.donor].view;
    if (!source) continue;  // a donor of which nothing is kept may be gone
    for (int64_t row = 0; row < span.count; ++row)
      pairs.push_back(pair_of(kept_.slot(span.first + row), source->slot(span.donor_first + row)));
  }
  pairs = sample_of(std::move(pairs), kMostDriftRows);
  int64_t count = 0;
  for (int layer = 0; layer < layers(); ++layer) {
    if (!is_measured(layer, layer_step)) continue;
    for (const RowDeviation& row : deviation_of(pairs, layer)) {
      evidence_.key_drift += row.key_squares;
      evidence_.value_drift += row.value_squares;
      ++count;
    }
  }
  evidence_.key_drift /= static_cast<double>(std::max<int64_t>(count, 1));
  evidence_.value_drift /= static_cast<double>(std::max<int64_t>(count, 1));
}

std::vector<RowDeviation> PromptPass::deviation(std::span<const int64_t> positions) {
  std::vector<KvPair> pairs;
  for (const int64_t position : positions) {
    pairs.push_back(pair_of(fresh_.slot(position), kept_.slot(position)));
  }
  return deviation_of(pairs, pass_->layer() - 1);
}

std::vector<RowDeviation> PromptPass::deviation_of(std::span<const KvPair> pairs, int layer) {
  std::vector<RowDeviation> rows(pairs.size());
  if (rows.empty()) return rows;
  static_assert(sizeof(RowDeviation) == 3 * sizeof(float));
  Backend& backend = transformer_.backend();
  const Buffer out(backend, DType::f32, {static_cast<int64_t>(rows.size()), 3});
  backend.kv_deviation(out.tensor(), pairs, transformer_.attention_config(pool_.layout().type),
                       layer);
  backend.download(rows.data(), out.tensor().data, rows.size() * sizeof(RowDeviation));
  return rows;
}

// Of the required rows those that ask are computed again; where nothing is kept any more, all that
// stand behind a row that was not what it is now.
void PromptPass::finish_probed(std::span<const int64_t> positions) {
  if (positions.empty()) return;
  KvView edited = kept_;
  for (size_t first = 0; first < positions.size();) {
    size_t end = first + 1;
    while (end < positions.size() && positions[end] == positions[end - 1] + 1) ++end;
    edited.replace_by_fresh(pool_, positions[first], static_cast<int64_t>(end - first), false);
    first = end;
  }
  view_ = LayeredView(std::move(edited));
  const bool all = static_cast<int64_t>(positions.size()) == plan_.kept();
  std::vector<int64_t> rows = union_of(positions, all ? required_ : queries_);
  rows.erase(rows.begin(), std::lower_bound(rows.begin(), rows.end(), positions.front()));
  start(std::move(rows));
  run(layers());
}

void PromptPass::finish(std::span<const int64_t> positions) {
  const int layer = pass_ && !probed_ ? pass_->layer() : 0;
  count(positions, layers() - layer);
  if (probed_) return finish_probed(positions);
  if (!pass_) {
    assert(positions.empty());
    start(required_);
  } else if (layer < layers()) {
    view_.differ_from(layer, mixed_view(kept_, fresh_, positions));
    pass_->keep(union_of(positions, required_));
  }
  if (layer < layers()) run(layers());
}

int64_t PromptPass::rows_run() const {
  return rows_run_before_ + (pass_ ? pass_->rows_run() : 0);
}

std::vector<int64_t> PromptPass::mostly_computed() const {
  std::vector<int64_t> positions;
  for (const PlanSpan& span : plan_.spans)
    for (int64_t row = span.first; span.kept() && row < span.first + span.count; ++row)
      if (2 * layers_run_[row] >= layers()) positions.push_back(row);
  return positions;
}

}  // namespace kvs
