#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "kvs/export.h"
#include "kvs/kv_view.h"

namespace kvs {

/// A sequence's keys and values where layers may differ: one list per range of layers, all of one
/// size. Rules that compute a row in some layers only let it be fresh there and a donor's
/// elsewhere. Source: design, section 3.
class KVS_API LayeredView {
 public:
  LayeredView() : LayeredView(KvView{}) {}
  explicit LayeredView(KvView view) { ranges_.push_back({0, std::move(view)}); }

  int64_t size() const { return top().size(); }
  const KvView& at(int layer) const;
  /// The list of the last layers. In it a row is exact only where it is in every list.
  const KvView& top() const { return ranges_.back().view; }

  /// First layers of the ranges behind the first one, ascending.
  std::vector<int> bounds() const;

  /// From `layer` on the list is `view`, of the same size. `layer` exceeds all bounds so far.
  void differ_from(int layer, KvView view);

  /// In all lists: KvView::append_fresh() and KvView::replace_by_fresh(), the same rows in each.
  void append_fresh(KvPool& pool, int64_t count, bool exact);
  void replace_by_fresh(KvPool& pool, int64_t first, int64_t count, bool exact);

 private:
  struct Range {
    int first_layer;
    KvView view;
  };
  std::vector<Range> ranges_;
};

/// `kept` with the rows at `positions` (ascending) taken from `fresh`, sharing the blocks of both.
/// Behind the first approximate row all are approximate.
KVS_API KvView mixed_view(const KvView& kept, const KvView& fresh,
                          std::span<const int64_t> positions);

}  // namespace kvs
