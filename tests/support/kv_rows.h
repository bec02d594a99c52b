#pragma once

#include <vector>

#include "kvs/kv_layout.h"
#include "kvs/kv_view.h"

namespace kvs::test {

/// Every element of K and V of a view's f32 rows, in the order of layers and positions.
inline std::vector<float> f32_rows(const KvView& view, const KvLayout& layout) {
  std::vector<float> rows;
  const int64_t plane = layout.kv_heads * kBlockTokens * layout.head_dim;  // K or V of a layer
  for (int64_t part = 0; part < 2 * layout.layers * layout.kv_heads; ++part)
    for (int64_t position = 0; position < view.size(); ++position) {
      const KvView::Slot slot = view.slot(position);
      const auto* head = static_cast<const float*>(slot.block) + part * plane / layout.kv_heads;
      const float* row = head + slot.row * layout.head_dim;
      rows.insert(rows.end(), row, row + layout.head_dim);
    }
  return rows;
}

}  // namespace kvs::test
