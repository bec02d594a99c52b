#include "kvs/kv_archive.h"

#include <algorithm>
#include <vector>

#include "kvs/edited_archive.h"
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

}  // namespace

void archive_prompt(ArchiveWriter& writer, std::string_view fingerprint, const KvPool& pool,
                    const KvView& view, PromptRecord prompt, KvCodec codec) {
  const auto tokens = static_cast<int64_t>(prompt.tokens.size());
  const int64_t exact = std::min(view.exact_rows(), tokens);
  const std::string_view salt = prompt.visibility == Visibility::everyone
                                    ? std::string_view()
                                    : std::string_view(prompt.tenant);
  KvContext context{.fingerprint = fingerprint, .tenant_salt = salt};
  prompt.spans.clear();
  for (int64_t first = 0; first < exact; first += kRecordTokens) {
    const int64_t count = std::min(kRecordTokens, exact - first);
    const auto part = std::span(prompt.tokens).subspan(first, count);
    const Hash128 id = kv_record_id(context, part);
    if (!writer.has_kv(id)) {
      std::vector<std::byte> bytes(count * pool.layout().token_bytes());
      KvRecord record{.id = id,
                      .parent = context.parent,
                      .tokens = {part.begin(), part.end()},
                      .home = first,
                      .codec = codec};
      record.layers = layers_of(pool.layout(), count, bytes.data());
      for_each_piece(pool.layout(), view, first, count, record.layers,
                     [&](const std::byte* block, const std::byte* row, size_t size) {
                       std::byte* to = bytes.data() + (row - bytes.data());
                       pool.backend().download(to, block, size);
                     });
      writer.add(record);
    }
    prompt.spans.push_back({.kv = id, .count = static_cast<int32_t>(count), .exact = true});
    context.parent = id;
  }
  if (exact < tokens) prompt.spans.push_back({.count = static_cast<int32_t>(tokens - exact)});
  writer.add(prompt);
}

KvView ArchivedRows::load(const ArchiveFile& archive, size_t member, const PromptRecord& prompt) {
  const ArchiveHeader& header = archive.members()[member].header;
  expect_layout(header.layout);
  KvView view;
  const int64_t own = own_rows(header.fingerprint, prompt);
  for (auto span = prompt.spans.begin(); view.size() < own; ++span)
    view.append_shared(record(archive, member, *span->kv).rows, span->first, span->count,
                       span->exact);
  return view;
}

std::vector<ArchivedPiece> ArchivedRows::load_pieces(const ArchiveFile& archive, size_t member,
                                                     const PromptRecord& prompt) {
  expect_layout(archive.members()[member].header.layout);
  std::vector<ArchivedPiece> pieces;
  const PromptSpan* last = nullptr;
  int64_t position = 0;
  for (const PromptSpan& span : prompt.spans) {
    if (span.kv) {
      const Record& from = record(archive, member, *span.kv);
      if (!last || !goes_on(*last, span)) pieces.push_back({.first = position, .rows = {}});
      pieces.back().rows.append_shared(from.rows, span.first, span.count, span.exact);
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

const ArchivedRows::Record& ArchivedRows::record(const ArchiveFile& archive, size_t member,
                                                 const Hash128& id) {
  if (const auto found = records_.find(id); found != records_.end()) return found->second;
  const KvRecord read = archive.read_kv(member, id);
  KvView rows;
  rows.append_loaded(pool_, static_cast<int64_t>(read.tokens.size()), read.home, read.exact);
  for_each_piece(pool_.layout(), rows, 0, rows.size(), read.layers,
                 [&](std::byte* block, const std::byte* row, size_t size) {
                   pool_.backend().upload(block, row, size);
                 });
  return records_.emplace(id, Record{read.parent, std::move(rows)}).first->second;
}

}  // namespace kvs
