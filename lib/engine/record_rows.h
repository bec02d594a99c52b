#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kvs/archive.h"
#include "kvs/kv_view.h"

// Between the rows of a KvRecord and those of a view's blocks.
namespace kvs {

/// One head's keys, values or scales of one layer, in a record and in a block.
struct RowPlane {
  const std::byte* record;  ///< [count] rows
  size_t block;             ///< offset in a block of row 0
  size_t row;               ///< bytes of a row, the same on both sides
};

/// Those of a record of `count` rows.
std::vector<RowPlane> planes_of(const KvLayout& layout, std::span<const KvLayer> layers,
                                int64_t count);

/// Where each layer's parts lie in the bytes of a record of `count` rows.
std::vector<KvLayer> layers_of(const KvLayout& layout, int64_t count, const std::byte* data);

/// Calls copy(rows in a block, rows in the record, bytes) for all rows [first, first + count) of a
/// view, which are the record's.
template <typename Copy>
void for_each_piece(const KvLayout& layout, const KvView& view, int64_t first, int64_t count,
                    std::span<const KvLayer> layers, Copy copy) {
  const std::vector<RowPlane> planes = planes_of(layout, layers, count);
  for (const KvRun& run : view.runs(first + count).runs) {
    const int64_t skip = std::max<int64_t>(0, first - run.position);
    if (skip >= run.count) continue;
    const int64_t done = run.position + skip - first;
    auto* block = static_cast<std::byte*>(const_cast<void*>(run.block));
    for (const RowPlane& plane : planes)
      copy(block + plane.block + (run.first + skip) * plane.row, plane.record + done * plane.row,
           (run.count - skip) * plane.row);
  }
}

/// Fills in the layers of a record, whose tokens and home are there, with the view's rows.
void copy_rows(KvRecord& record, const KvPool& pool, const KvView& view);

/// Brings a record's rows into the pool, behind those of `view`. Throws Error(device) where that is
/// full.
void append_rows(KvView& view, KvPool& pool, const KvRecord& record);

}  // namespace kvs
