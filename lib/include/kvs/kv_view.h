#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kvs/batch.h"
#include "kvs/export.h"
#include "kvs/kv_pool.h"

namespace kvs {

/// Rows that stand next to one another in a block and in a view.
struct Segment {
  BlockRef block;
  int32_t first = 0;  ///< row in the block
  int32_t count = 0;  ///< at least 1; first + count <= 64
  int64_t home = 0;   ///< position of the first row when it was computed: the angle of its key
  /// Every token before each row is the token it was computed behind, over exact rows. Belongs to
  /// the span of this view, not to the block. Source: design, section 3, provenance.
  bool exact = true;
};

/// A sequence's keys and values: an ordered list of segments, in which the k-th row stands at
/// position k. A row's shift is its position here minus its home position. Editing a view moves no
/// KV bytes: blocks are shared, only the list changes.
class KVS_API KvView {
 public:
  int64_t size() const { return size_; }
  std::span<const Segment> segments() const { return segments_; }

  /// Rows in front of the first approximate one.
  int64_t exact_rows() const;

  /// Appends rows [first, first + count) of `source`, sharing its blocks. They stay exact only
  /// where they were exact there and `exact` is true.
  void append_shared(const KvView& source, int64_t first, int64_t count, bool exact);

  /// Appends `count` rows to be computed here, with home = position: free rows of the last fresh
  /// block, then of new ones. Throws Error(memory) where the pool is full; the view is unchanged
  /// then.
  void append_fresh(KvPool& pool, int64_t count, bool exact);

  /// The same for rows that are filled from elsewhere (an archive) and were computed at `home`.
  void append_loaded(KvPool& pool, int64_t count, int64_t home, bool exact);

  /// Blocks that append_fresh() takes from the pool for so many rows.
  int64_t blocks_for(const KvPool& pool, int64_t count) const;

  /// Replaces rows [first, first + count) by fresh ones, which are approximate unless `exact`.
  void replace_by_fresh(KvPool& pool, int64_t first, int64_t count, bool exact);

  /// Replaces rows [first, first + count) by the same rows of `source`, sharing its blocks.
  void replace_by_shared(const KvView& source, int64_t first, int64_t count);

  /// Drops all rows from `size` on.
  void truncate(int64_t size);

  /// Where the row at a position is. `position` must be in [0, size()).
  struct Slot {
    void* block;
    int32_t row;
    int64_t home;
  };
  Slot slot(int64_t position) const;

  /// Rows [0, size) as the attention sees them.
  BatchSequence runs(int64_t size) const;

  /// Distinct blocks referred to.
  int64_t block_count() const;

 private:
  void append(Segment segment);
  size_t find(int64_t position) const;  // index of the segment that holds it

  std::vector<Segment> segments_;
  std::vector<int64_t> starts_;  // position of each segment's first row
  int64_t size_ = 0;
  BlockRef tail_;  // where the next fresh row goes, if it has room
};

}  // namespace kvs
