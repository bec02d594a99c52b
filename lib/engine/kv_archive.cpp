#include "kvs/kv_archive.h"

#include <algorithm>
#include <vector>

#include "base/cpu_count.h"
#include "base/thread_pool.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr int64_t kRecordTokens = kBlockTokens;

// One head's keys, values or scales of one layer, in a record and in a block.
struct Plane {
  const std::byte* record;  // [count] rows
  size_t block;             // offset in a block of row 0
  size_t row;               // bytes of a row, the same on both sides
};

std::vector<Plane> planes_of(const KvLayout& layout, std::span<const KvLayer> layers,
                             int64_t count) {
  std::vector<Plane> planes;
  const auto add = [&](std::span<const std::byte> part, size_t first, size_t distance, size_t row) {
    for (int head = 0; head < layout.kv_heads; ++head)
      planes.push_back({part.data() + head * count * row, first + head * distance, row});
  };
  for (int layer = 0; layer < layout.layers; ++layer) {
    const KvLayer& of = layers[layer];
    add(of.k, layout.key_offset(layer, 0), layout.head_bytes(), layout.row_bytes());
    add(of.v, layout.value_offset(layer, 0), layout.head_bytes(), layout.row_bytes());
    if (layout.type != DType::q8) continue;
    const size_t distance = layout.head_scale_bytes();
    add(of.k_scales, layout.key_scale_offset(layer, 0), distance, sizeof(float));
    add(of.v_scales, layout.value_scale_offset(layer, 0), distance, sizeof(float));
  }
  return planes;
}

// Calls copy(row in a block, row in the record, bytes) for all rows [first, first + count) of a
// view.
template <typename Copy>
void for_each_piece(const KvLayout& layout, const KvView& view, int64_t first, int64_t count,
                    std::span<const KvLayer> layers, Copy copy) {
  const std::vector<Plane> planes = planes_of(layout, layers, count);
  for (const KvRun& run : view.runs(first + count).runs) {
    const int64_t skip = std::max<int64_t>(0, first - run.position);
    if (skip >= run.count) continue;
    const int64_t done = run.position + skip - first;
    auto* block = static_cast<std::byte*>(const_cast<void*>(run.block));
    for (const Plane& plane : planes)
      copy(block + plane.block + (run.first + skip) * plane.row, plane.record + done * plane.row,
           (run.count - skip) * plane.row);
  }
}

// Where each layer's parts lie in a record's bytes.
std::vector<KvLayer> layers_of(const KvLayout& layout, int64_t count, const std::byte* data) {
  const size_t rows = layout.kv_heads * count * layout.row_bytes();
  const size_t scales = layout.type == DType::q8 ? layout.kv_heads * count * sizeof(float) : 0;
  std::vector<KvLayer> layers(layout.layers);
  for (KvLayer& layer : layers) {
    const auto take = [&](size_t bytes) {
      const std::span part(data, bytes);
      data += bytes;
      return part;
    };
    layer = {.k = take(rows), .v = take(rows), .k_scales = take(scales), .v_scales = take(scales)};
  }
  return layers;
}

// Rows on their way into an archive: a few records at a time, so that threads can share the work.
class RecordBatch {
 public:
  RecordBatch(ArchiveWriter& writer, const KvPool& pool, const KvView& view)
      : writer_(writer), pool_(pool), view_(view) {}

  // Fills in the layers.
  void add(KvRecord record) {
    const KvLayout& layout = pool_.layout();
    const auto count = static_cast<int64_t>(record.tokens.size());
    record.storage = std::make_unique_for_overwrite<std::byte[]>(count * layout.token_bytes());
    std::byte* bytes = record.storage.get();
    record.layers = layers_of(layout, count, bytes);
    for_each_piece(layout, view_, record.home, count, record.layers,
                   [&](const std::byte* block, const std::byte* row, size_t size) {
                     pool_.backend().download(bytes + (row - bytes), block, size);
                   });
    records_.push_back(std::move(record));
    if (records_.size() == kBatchRecords) write();
  }

  void write() {
    writer_.add(records_);
    records_.clear();
  }

 private:
  static constexpr size_t kBatchRecords = 8;

  ArchiveWriter& writer_;
  const KvPool& pool_;
  const KvView& view_;
  std::vector<KvRecord> records_;
};

}  // namespace

void archive_prompt(ArchiveWriter& writer, std::string_view fingerprint, const KvPool& pool,
                    const KvView& view, PromptRecord prompt, KvCodec codec) {
  const auto tokens = static_cast<int64_t>(prompt.tokens.size());
  const int64_t stored = std::min(view.exact_rows(), tokens);
  const bool exact = !is_lossy(codec);
  const std::string_view salt = prompt.visibility == Visibility::everyone
                                    ? std::string_view()
                                    : std::string_view(prompt.tenant);
  KvContext context{.fingerprint = fingerprint, .tenant_salt = salt, .exact = exact};
  RecordBatch batch(writer, pool, view);
  prompt.spans.clear();
  for (int64_t first = 0; first < stored; first += kRecordTokens) {
    const int64_t count = std::min(kRecordTokens, stored - first);
    const auto part = std::span(prompt.tokens).subspan(first, count);
    const Hash128 id = kv_record_id(context, part);
    if (!writer.has_kv(id))
      batch.add({.id = id,
                 .parent = context.parent,
                 .tokens = {part.begin(), part.end()},
                 .home = first,
                 .exact = exact,
                 .codec = codec});
    prompt.spans.push_back({.kv = id, .count = static_cast<int32_t>(count), .exact = exact});
    context.parent = id;
  }
  batch.write();
  if (stored < tokens) prompt.spans.push_back({.count = static_cast<int32_t>(tokens - stored)});
  writer.add(prompt);
}

ArchivedRows::ArchivedRows(KvPool& pool, int threads)
    : pool_(pool), threads_(std::make_unique<ThreadPool>(threads > 0 ? threads : usable_cpus())) {}
ArchivedRows::~ArchivedRows() = default;

KvView ArchivedRows::load(const ArchiveFile& archive, size_t member, const PromptRecord& prompt) {
  const KvLayout& layout = archive.members()[member].header.layout;
  if (layout != pool_.layout())
    fail(ErrorKind::mismatch,
         "archive of {} layers x {} heads x {} in {}, expected {} x {} x {} in {}", layout.layers,
         layout.kv_heads, layout.head_dim, dtype_name(layout.type), pool_.layout().layers,
         pool_.layout().kv_heads, pool_.layout().head_dim, dtype_name(pool_.layout().type));
  load_records(archive, member, prompt);
  KvView view;
  for (const PromptSpan& span : prompt.spans) {
    if (!span.kv) break;
    view.append_shared(records_.at(*span.kv), span.first, span.count, span.exact);
  }
  return view;
}

// Those that the leading rows of the prompt need and that are not loaded, some at a time.
void ArchivedRows::load_records(const ArchiveFile& archive, size_t member,
                                const PromptRecord& prompt) {
  std::vector<Hash128> missing;
  for (const PromptSpan& span : prompt.spans) {
    if (!span.kv) break;
    const bool listed = std::find(missing.begin(), missing.end(), *span.kv) != missing.end();
    if (!listed && !records_.contains(*span.kv)) missing.push_back(*span.kv);
  }
  const size_t step = 2 * static_cast<size_t>(threads_->size());
  for (size_t first = 0; first < missing.size(); first += step) {
    std::vector<KvRecord> read(std::min(step, missing.size() - first));
    threads_->parallel_for(std::ssize(read), [&](int64_t index) {
      const auto at = static_cast<size_t>(index);
      read[at] = archive.read_kv(member, missing[first + at]);
    });
    for (const KvRecord& record : read) upload(record);
  }
}

void ArchivedRows::upload(const KvRecord& record) {
  KvView rows;
  rows.append_loaded(pool_, static_cast<int64_t>(record.tokens.size()), record.home, record.exact);
  for_each_piece(pool_.layout(), rows, 0, rows.size(), record.layers,
                 [&](std::byte* block, const std::byte* row, size_t size) {
                   pool_.backend().upload(block, row, size);
                 });
  records_.emplace(record.id, std::move(rows));
}

}  // namespace kvs
