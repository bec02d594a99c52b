#include "kvs/kv_archive.h"

#include <algorithm>
#include <vector>

#include "base/cpu_count.h"
#include "base/thread_pool.h"
#include "engine/record_rows.h"
#include "kvs/edited_archive.h"
#include "kvs/error.h"

namespace kvs {

ArchivedRows::ArchivedRows(KvPool& pool, int threads)
    : pool_(pool), threads_(std::make_unique<ThreadPool>(threads > 0 ? threads : usable_cpus())) {}
ArchivedRows::~ArchivedRows() = default;

KvView ArchivedRows::load(const ArchiveFile& archive, size_t member, const PromptRecord& prompt) {
  const int64_t own = own_rows(archive.members()[member].header.fingerprint, prompt);
  size_t spans = 0;
  for (int64_t rows = 0; rows < own; ++spans) rows += prompt.spans[spans].count;
  const auto leading = std::span(prompt.spans).first(spans);
  load_records(archive, member, leading);
  KvView view;
  for (const PromptSpan& span : leading)
    view.append_shared(records_.at(*span.kv).rows, span.first, span.count, span.exact);
  return view;
}

std::vector<ArchivedPiece> ArchivedRows::load_pieces(const ArchiveFile& archive, size_t member,
                                                     const PromptRecord& prompt) {
  load_records(archive, member, prompt.spans);
  std::vector<ArchivedPiece> pieces;
  const PromptSpan* last = nullptr;
  int64_t position = 0;
  for (const PromptSpan& span : prompt.spans) {
    if (span.kv) {
      if (!last || !goes_on(*last, span))
        pieces.push_back({.first = position, .rows = {}, .tokens = {}});
      ArchivedPiece& piece = pieces.back();
      const Record& record = records_.at(*span.kv);
      piece.rows.append_shared(record.rows, span.first, span.count, span.exact);
      const auto first = record.tokens.begin() + span.first;
      piece.tokens.insert(piece.tokens.end(), first, first + span.count);
    }
    last = span.kv ? &span : nullptr;
    position += span.count;
  }
  return pieces;
}

// Whether the rows of both followed one another where they were computed.
bool ArchivedRows::goes_on(const PromptSpan& last, const PromptSpan& next) const {
  if (last.shift != next.shift) return false;
  if (last.kv == next.kv) return last.first + last.count == next.first;
  return next.first == 0 && records_.at(*next.kv).parent == *last.kv &&
         last.first + last.count == records_.at(*last.kv).rows.size();
}

void ArchivedRows::expect_layout(const KvLayout& layout) const {
  if (layout != pool_.layout())
    fail(ErrorKind::mismatch,
         "archive of {} layers x {} heads x {} in {}, expected {} x {} x {} in {}", layout.layers,
         layout.kv_heads, layout.head_dim, dtype_name(layout.type), pool_.layout().layers,
         pool_.layout().kv_heads, pool_.layout().head_dim, dtype_name(pool_.layout().type));
}

// Those of the spans' records that are not loaded yet, some at a time.
void ArchivedRows::load_records(const ArchiveFile& archive, size_t member,
                                std::span<const PromptSpan> spans) {
  expect_layout(archive.members()[member].header.layout);
  std::vector<Hash128> missing;
  for (const PromptSpan& span : spans) {
    if (!span.kv) continue;
    const bool listed = std::find(missing.begin(), missing.end(), *span.kv) != missing.end();
    if (!listed && !records_.contains(*span.kv)) missing.push_back(*span.kv);
  }
  const HostAllocator memory = [&backend = pool_.backend()](size_t bytes) {
    return backend.host_memory(bytes);
  };
  const size_t step = 2 * static_cast<size_t>(threads_->size());
  for (size_t first = 0; first < missing.size(); first += step) {
    std::vector<KvRecord> read(std::min(step, missing.size() - first));
    threads_->parallel_for(std::ssize(read), [&](int64_t index) {
      const auto at = static_cast<size_t>(index);
      read[at] = archive.read_kv(member, missing[first + at], memory);
    });
    for (const KvRecord& record : read) upload(record);
  }
}

void ArchivedRows::upload(const KvRecord& record) {
  KvView rows;
  append_rows(rows, pool_, record);
  records_.emplace(record.id, Record{record.parent, std::move(rows), record.tokens});
}

}  // namespace kvs
