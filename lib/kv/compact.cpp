#include "kvs/compact.h"

#include <algorithm>
#include <vector>

namespace kvs {

KvView compacted(const KvView& view, KvPool& pool, const AttentionConfig& config) {
  KvView copy;
  std::vector<KvMove> moves;
  for (const Segment& segment : view.segments()) {
    const int64_t position = copy.size();
    const auto shift = static_cast<int32_t>(position - segment.home);
    copy.append_fresh(pool, segment.count, segment.exact && shift == 0);
    for (int32_t done = 0; done < segment.count;) {
      const KvView::Slot slot = copy.slot(position + done);
      const int32_t count = std::min(segment.count - done, kBlockTokens - slot.row);
      moves.push_back({.block = segment.block.data(),
                       .target = slot.block,
                       .first = segment.first + done,
                       .target_first = slot.row,
                       .count = count,
                       .turn = shift});
      done += count;
    }
  }
  pool.backend().move_kv(moves, config);
  return copy;
}

}  // namespace kvs
