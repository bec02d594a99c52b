#include "archive/member_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/printable.h"

namespace kvs {
namespace {

using Fault = std::optional<std::string>;

constexpr int kMaxLayers = 4096;
constexpr int kMaxHeads = 4096;
constexpr int kMaxHeadDim = 1 << 16;
constexpr size_t kMaxKvBytes = size_t{1} << 30;       // of one record
constexpr size_t kMaxOtherContent = size_t{1} << 28;  // of one header, prompt or end

size_t record_bytes(const KvLayout& layout) {
  return 2 * static_cast<size_t>(layout.layers) *
         (plane_bytes(layout, kMaxKvTokens) + scale_bytes(layout, kMaxKvTokens));
}

Fault find_layout_fault(const KvLayout& layout) {
  if (layout.layers == 0) return std::nullopt;
  if (layout.layers < 0 || layout.layers > kMaxLayers || layout.kv_heads < 1 ||
      layout.kv_heads > kMaxHeads || layout.head_dim < 1 || layout.head_dim > kMaxHeadDim)
    return fmt::format("layout of {} layers, {} kv heads, head_dim {} is out of range",
                       layout.layers, layout.kv_heads, layout.head_dim);
  if (record_bytes(layout) > kMaxKvBytes)
    return fmt::format("layout needs {} bytes for {} tokens, at most {} are possible",
                       record_bytes(layout), kMaxKvTokens, kMaxKvBytes);
  return std::nullopt;
}

Hash128 prompt_key(const PromptRecord& record) {
  return Hasher().add_value(record.tenant.size()).add(record.tenant).add(record.id).digest();
}

Fault find_limit_fault(const PromptRecord& record) {
  if (record.id.size() > kMaxName || record.tenant.size() > kMaxName ||
      record.owner.size() > kMaxName || record.embedder.size() > kMaxName)
    return fmt::format("a name of more than {} bytes", kMaxName);
  if ((record.text && record.text->size() > kMaxText) || record.settings.size() > kMaxText)
    return fmt::format("text or settings of more than {} bytes", kMaxText);
  if (record.tokens.size() > kMaxPromptTokens)
    return fmt::format("{} tokens, at most {} are possible", record.tokens.size(),
                       kMaxPromptTokens);
  if (record.embedding.size() > kMaxEmbedding)
    return fmt::format("an embedding of {} numbers, at most {} are possible",
                       record.embedding.size(), kMaxEmbedding);
  if (record.embedding.empty() != record.embedder.empty())
    return "an embedding and its embedder's name go together";
  return std::nullopt;
}

Fault find_span_fault(const PromptSpan& span, int64_t position, const KvSummary* record) {
  if (span.count < 1) return fmt::format("span of {} tokens", span.count);
  if (!span.kv) {
    if (span.first != 0 || span.shift != 0 || span.exact) return "a hole says more than its length";
    return std::nullopt;
  }
  if (record == nullptr) return fmt::format("span refers to unknown kv {}", to_hex(*span.kv));
  if (span.first < 0 || span.first > record->count - span.count)
    return fmt::format("span of rows {} to {}, kv {} has {}", span.first,
                       int64_t{span.first} + span.count, to_hex(*span.kv), record->count);
  const int64_t shift = position - (record->home + span.first);
  if (span.shift != shift) return fmt::format("span's shift is {}, expected {}", span.shift, shift);
  if (span.exact && (shift != 0 || !record->exact))
    return "a span is exact, but shifted or of approximate kv";
  return std::nullopt;
}

Fault find_spans_fault(const PromptRecord& record, const FindKv& find_kv) {
  int64_t position = 0;
  for (const PromptSpan& span : record.spans) {
    Fault fault = find_span_fault(span, position, span.kv ? find_kv(*span.kv) : nullptr);
    if (fault) return fault;
    position += span.count;
  }
  if (!record.spans.empty() && position != static_cast<int64_t>(record.tokens.size()))
    return fmt::format("spans cover {} of {} tokens", position, record.tokens.size());
  return std::nullopt;
}

Fault find_codec_fault(const KvRecord& record, const KvLayout& layout) {
  if (!is_lossy(record.codec)) {
    if (record.error != 0 || record.max_error != 0) return "a lossless codec has no error";
    return std::nullopt;
  }
  if (layout.type == DType::q8)
    return fmt::format("codec {} of {} keys and values", codec_name(record.codec),
                       dtype_name(layout.type));
  if (record.exact) return fmt::format("rows of codec {} are not exact", codec_name(record.codec));
  for (const double error : {record.error, record.max_error})
    if (!std::isfinite(error) || error < 0) return fmt::format("an error of {}", error);
  return std::nullopt;
}

std::string in_record(const KvRecord& record, std::string_view fault) {
  return fmt::format("kv {}: {}", to_hex(record.id), fault);
}

std::string in_record(const PromptRecord& record, std::string_view fault) {
  return fmt::format("prompt '{}': {}", printable(record.id), fault);
}

}  // namespace

size_t plane_bytes(const KvLayout& layout, size_t count) {
  return static_cast<size_t>(layout.kv_heads) * count * layout.row_bytes();
}

size_t scale_bytes(const KvLayout& layout, size_t count) {
  return layout.type == DType::q8 ? static_cast<size_t>(layout.kv_heads) * count * sizeof(float)
                                  : 0;
}

size_t max_content_bytes(const KvLayout& layout) {
  const size_t kv =
      record_bytes(layout) + 64 * static_cast<size_t>(layout.layers) + kMaxFingerprint;
  return std::max(kv, kMaxOtherContent);
}

Fault find_fault(const ArchiveHeader& header) {
  if (header.model.size() > kMaxName || header.tokenizer.size() > kMaxName ||
      header.creator.size() > kMaxName || header.fingerprint.size() > kMaxFingerprint)
    return "a name in the header is too long";
  return find_layout_fault(header.layout);
}

Fault find_fault(const KvRecord& record, const KvLayout& layout) {
  if (layout.layers == 0) return in_record(record, "the member holds no kv");
  if (record.id.is_zero()) return in_record(record, "an id is never zero");
  if (record.tokens.empty() || record.tokens.size() > kMaxKvTokens)
    return in_record(
        record, fmt::format("{} tokens, expected 1 to {}", record.tokens.size(), kMaxKvTokens));
  if (record.home < 0 || record.home > kMaxPosition)
    return in_record(record, "home is out of range");
  const Fault fault = find_codec_fault(record, layout);
  return fault ? in_record(record, *fault) : fault;
}

Fault find_layer_fault(const KvRecord& record, const KvLayout& layout) {
  if (record.layers.size() != static_cast<size_t>(layout.layers))
    return in_record(record,
                     fmt::format("{} layers, expected {}", record.layers.size(), layout.layers));
  const size_t plane = plane_bytes(layout, record.tokens.size());
  const size_t scales = scale_bytes(layout, record.tokens.size());
  for (const KvLayer& layer : record.layers) {
    if (layer.k.size() != plane || layer.v.size() != plane)
      return in_record(record, fmt::format("keys of {} and values of {} bytes, expected {}",
                                           layer.k.size(), layer.v.size(), plane));
    if (layer.k_scales.size() != scales || layer.v_scales.size() != scales)
      return in_record(record, fmt::format("scales of {} and {} bytes, expected {}",
                                           layer.k_scales.size(), layer.v_scales.size(), scales));
  }
  return std::nullopt;
}

Fault find_fault(const PromptRecord& record, const FindKv& find_kv) {
  Fault fault = find_limit_fault(record);
  if (!fault) fault = find_spans_fault(record, find_kv);
  return fault ? in_record(record, *fault) : fault;
}

Fault MemberRules::find_fault(const KvRecord& record) const {
  if (find_kv(record.id) != nullptr) return in_record(record, "occurs twice");
  return kvs::find_fault(record, header_.layout);
}

Fault MemberRules::find_fault(const PromptRecord& record) const {
  if (prompts_.contains(prompt_key(record))) return in_record(record, "occurs twice");
  return kvs::find_fault(record, [this](const Hash128& id) { return find_kv(id); });
}

void MemberRules::accept(const KvRecord& record) {
  kv_.emplace(record.id, KvSummary{.home = record.home,
                                   .count = static_cast<int32_t>(record.tokens.size()),
                                   .exact = record.exact});
}

void MemberRules::accept(const PromptRecord& record) {
  prompts_.insert(prompt_key(record));
}

const KvSummary* MemberRules::find_kv(const Hash128& id) const {
  const auto found = kv_.find(id);
  return found == kv_.end() ? nullptr : &found->second;
}

}  // namespace kvs
