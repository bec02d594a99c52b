#include "kvs/kv_view.h"

#include <algorithm>
#include <cassert>
#include <set>

#include "kvs/error.h"

namespace kvs {

int64_t KvView::exact_rows() const {
  for (size_t i = 0; i < segments_.size(); ++i)
    if (!segments_[i].exact) return starts_[i];
  return size_;
}

// Joins the segment to the last one where it goes on without a seam.
void KvView::append(Segment segment) {
  if (segment.count == 0) return;
  const int32_t count = segment.count;
  Segment* last = segments_.empty() ? nullptr : &segments_.back();
  if (last && last->block == segment.block && last->first + last->count == segment.first &&
      last->home + last->count == segment.home && last->exact == segment.exact) {
    last->count += count;
  } else {
    segments_.push_back(std::move(segment));
    starts_.push_back(size_);
  }
  size_ += count;
}

size_t KvView::find(int64_t position) const {
  assert(position >= 0 && position < size_);
  return std::upper_bound(starts_.begin(), starts_.end(), position) - starts_.begin() - 1;
}

void KvView::append_shared(const KvView& source, int64_t first, int64_t count, bool exact) {
  assert(first >= 0 && count >= 0 && first + count <= source.size_);
  for (size_t i = count > 0 ? source.find(first) : 0; count > 0; ++i) {
    Segment part = source.segments_[i];
    const auto skipped = static_cast<int32_t>(first - source.starts_[i]);
    part.first += skipped;
    part.home += skipped;
    part.count = static_cast<int32_t>(std::min<int64_t>(part.count - skipped, count));
    part.exact = part.exact && exact;
    first += part.count;
    count -= part.count;
    append(std::move(part));
  }
}

void KvView::append_fresh(KvPool& pool, int64_t count, bool exact) {
  append_loaded(pool, count, size_, exact);
}

int64_t KvView::blocks_for(const KvPool& pool, int64_t count) const {
  const int64_t room = tail_ == BlockRef() ? 0 : kBlockTokens - pool.rows_taken(tail_);
  return (std::max<int64_t>(0, count - room) + kBlockTokens - 1) / kBlockTokens;
}

void KvView::append_loaded(KvPool& pool, int64_t count, int64_t home, bool exact) {
  const int64_t blocks = blocks_for(pool, count);
  if (!pool.reserve(blocks))
    fail(ErrorKind::memory, "kv pool: {} more tokens need {} blocks, {} of {} are free", count,
         blocks, pool.blocks_left(), pool.max_blocks());

  while (count > 0) {
    if (tail_ == BlockRef() || pool.rows_taken(tail_) == kBlockTokens) tail_ = pool.allocate();
    Segment fresh{.block = tail_, .home = home, .exact = exact};
    const auto wanted = static_cast<int>(std::min<int64_t>(count, kBlockTokens));
    fresh.count = pool.take_rows(tail_, wanted, fresh.first);
    home += fresh.count;
    count -= fresh.count;
    append(std::move(fresh));
  }
}

void KvView::replace_by_fresh(KvPool& pool, int64_t first, int64_t count, bool exact) {
  KvView edited;
  edited.tail_ = tail_;
  edited.append_shared(*this, 0, first, true);
  edited.append_fresh(pool, count, exact);
  edited.append_shared(*this, first + count, size_ - first - count, true);
  *this = std::move(edited);
}

void KvView::replace_by_shared(const KvView& source, int64_t first, int64_t count) {
  KvView edited;
  edited.tail_ = tail_;
  edited.append_shared(*this, 0, first, true);
  edited.append_shared(source, first, count, true);
  edited.append_shared(*this, first + count, size_ - first - count, true);
  *this = std::move(edited);
}

void KvView::truncate(int64_t size) {
  while (size_ > size) {
    Segment& last = segments_.back();
    const auto dropped = static_cast<int32_t>(std::min<int64_t>(last.count, size_ - size));
    last.count -= dropped;
    size_ -= dropped;
    if (last.count > 0) continue;
    segments_.pop_back();
    starts_.pop_back();
  }
}

KvView::Slot KvView::slot(int64_t position) const {
  const size_t i = find(position);
  const Segment& segment = segments_[i];
  const int64_t skipped = position - starts_[i];
  return {segment.block.data(), segment.first + static_cast<int32_t>(skipped),
          segment.home + skipped};
}

BatchSequence KvView::runs(int64_t size) const {
  BatchSequence sequence;
  for (size_t i = 0; i < segments_.size() && starts_[i] < size; ++i) {
    const Segment& segment = segments_[i];
    const auto position = static_cast<int32_t>(starts_[i]);
    sequence.runs.push_back(
        {.block = segment.block.data(),
         .first = segment.first,
         .count = static_cast<int32_t>(std::min<int64_t>(segment.count, size - position)),
         .position = position,
         .shift = static_cast<int32_t>(starts_[i] - segment.home)});
  }
  return sequence;
}

int64_t KvView::block_count() const {
  std::set<const void*> blocks;
  for (const Segment& segment : segments_) blocks.insert(segment.block.data());
  return static_cast<int64_t>(blocks.size());
}

}  // namespace kvs
