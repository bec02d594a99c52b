#include "engine/step_batch.h"

#include <set>

namespace kvs {

void StepBatch::add(const LayeredView& view, std::span<const int64_t> positions,
                    std::span<const int32_t> tokens, int64_t logits_rows) {
  const auto sequence = static_cast<int32_t>(seen_.size());
  for (size_t row = 0; row < positions.size(); ++row) {
    const KvView::Slot slot = view.top().slot(positions[row]);
    batch_.tokens.push_back(tokens[row]);
    batch_.layout.rows.push_back({.sequence = sequence,
                                  .position = static_cast<int32_t>(positions[row]),
                                  .block = slot.block,
                                  .slot = slot.row});
  }
  seen_.push_back({&view, positions.back() + 1});
  for (int64_t row = rows() - logits_rows; row < rows(); ++row)
    batch_.logits_rows.push_back(static_cast<int32_t>(row));
}

std::vector<BatchSequence> StepBatch::sequences_at(int layer) const {
  std::vector<BatchSequence> sequences;
  for (const Seen& seen : seen_) sequences.push_back(seen.view->at(layer).runs(seen.size));
  return sequences;
}

const Batch& StepBatch::finish() {
  std::set<int> bounds;
  for (const Seen& seen : seen_)
    for (const int bound : seen.view->bounds()) bounds.insert(bound);
  batch_.layout.sequences = sequences_at(0);
  for (const int bound : bounds) batch_.later.push_back({bound, sequences_at(bound)});
  return batch_;
}

}  // namespace kvs
