#include "kvs/forward_pass.h"

#include <algorithm>
#include <utility>

namespace kvs {
namespace {

Buffer make_stream(Transformer& transformer, int64_t rows) {
  Backend& backend = transformer.backend();
  return {backend, backend.activation_type(), {rows, transformer.config().hidden}};
}

}  // namespace

ForwardPass::ForwardPass(Transformer& transformer, DType kv_type, std::span<const int32_t> tokens,
                         std::vector<int64_t> positions, Pace pace)
    : transformer_(transformer),
      kv_type_(kv_type),
      pace_(std::move(pace)),
      positions_(std::move(positions)),
      x_(make_stream(transformer, static_cast<int64_t>(positions_.size()))) {
  std::vector<int32_t> own;
  own.reserve(positions_.size());
  for (const int64_t position : positions_) own.push_back(tokens[position]);
  transformer_.embed(x_.tensor(), own);
}

void ForwardPass::run(int end, const LayeredView& view, const Observer& observer) {
  const auto rows = static_cast<int64_t>(positions_.size());
  for (int64_t first = 0; first < rows; first += pace_.rows) {
    if (first > 0 && pace_.between) pace_.between();
    run_chunk(first, std::min(pace_.rows, rows - first), end, view, observer);
  }
  rows_run_ += rows * (end - layer_);
  layer_ = end;
}

void ForwardPass::run_chunk(int64_t first, int64_t count, int end, const LayeredView& view,
                            const Observer& observer) {
  std::vector<int> bounds = view.bounds();
  bounds.push_back(end);
  int layer = layer_;
  for (const int bound : bounds) {
    const int stop = std::min(bound, end);
    if (stop <= layer) continue;
    const KvView& list = view.at(layer);
    BatchLayout layout;
    for (int64_t row = first; row < first + count; ++row) {
      const KvView::Slot slot = list.slot(positions_[row]);
      layout.rows.push_back({.position = static_cast<int32_t>(positions_[row]),
                             .block = slot.block,
                             .slot = slot.row});
    }
    layout.sequences.push_back(list.runs(positions_[first + count - 1] + 1));
    Transformer::Observer chunk_observer;
    if (observer)
      chunk_observer = [&](int at, const Tensor& qkv, const BatchPlan& plan) {
        observer({at, first, count, qkv, plan});
      };
    transformer_.run_layers(x_.tensor().rows(first, count), layout, {layer, stop}, kv_type_,
                            chunk_observer);
    layer = stop;
  }
}

void ForwardPass::keep(std::span<const int64_t> positions) {
  std::vector<int32_t> rows;
  for (const int64_t position : positions) {
    const auto found = std::lower_bound(positions_.begin(), positions_.end(), position);
    rows.push_back(static_cast<int32_t>(found - positions_.begin()));
  }
  Buffer kept = make_stream(transformer_, static_cast<int64_t>(rows.size()));
  transformer_.backend().gather_rows(kept.tensor(), x_.tensor(), rows);
  // Buffers are freed at once; the queued gathering must be done by then.
  transformer_.backend().synchronize();
  x_ = std::move(kept);
  positions_.assign(positions.begin(), positions.end());
}

std::vector<float> ForwardPass::logits() {
  const int32_t last = static_cast<int32_t>(positions_.size()) - 1;
  std::vector<float> logits;
  transformer_.read_logits(x_.tensor(), std::span(&last, 1), logits);
  return logits;
}

}  // namespace kvs
