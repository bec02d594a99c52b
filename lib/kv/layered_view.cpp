#include "kvs/layered_view.h"

#include <cassert>

namespace kvs {

const KvView& LayeredView::at(int layer) const {
  size_t range = ranges_.size() - 1;
  while (ranges_[range].first_layer > layer) --range;
  return ranges_[range].view;
}

std::vector<int> LayeredView::bounds() const {
  std::vector<int> bounds;
  for (size_t range = 1; range < ranges_.size(); ++range)
    bounds.push_back(ranges_[range].first_layer);
  return bounds;
}

void LayeredView::differ_from(int layer, KvView view) {
  assert(layer > ranges_.back().first_layer && view.size() == size());
  ranges_.push_back({layer, std::move(view)});
}

void LayeredView::append_fresh(KvPool& pool, int64_t count, bool exact) {
  const int64_t first = size();
  ranges_.back().view.append_fresh(pool, count, exact);
  for (size_t range = 0; range + 1 < ranges_.size(); ++range)
    ranges_[range].view.append_shared(top(), first, count, exact);
}

void LayeredView::replace_by_fresh(KvPool& pool, int64_t first, int64_t count, bool exact) {
  ranges_.back().view.replace_by_fresh(pool, first, count, exact);
  for (size_t range = 0; range + 1 < ranges_.size(); ++range)
    ranges_[range].view.replace_by_shared(top(), first, count);
}

KvView mixed_view(const KvView& kept, const KvView& fresh, std::span<const int64_t> positions) {
  KvView mixed;
  bool exact = true;  // so far
  const auto append = [&](const KvView& source, int64_t first, int64_t count) {
    if (count == 0) return;
    mixed.append_shared(source, first, count, exact);
    exact = exact && mixed.exact_rows() == mixed.size();
  };
  for (size_t next = 0; next < positions.size();) {
    append(kept, mixed.size(), positions[next] - mixed.size());
    size_t end = next + 1;
    while (end < positions.size() && positions[end] == positions[end - 1] + 1) ++end;
    append(fresh, positions[next], static_cast<int64_t>(end - next));
    next = end;
  }
  append(kept, mixed.size(), kept.size() - mixed.size());
  return mixed;
}

}  // namespace kvs
