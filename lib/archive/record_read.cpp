#include "archive/record_read.h"

#include "archive/fields.h"
#include "archive/kv_codec.h"
#include "archive/member_rules.h"
#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr int64_t kMaxTime = int64_t{1} << 53;
constexpr int64_t kMaxRecords = int64_t{1} << 53;

// The value that `find` knows by the name in a field.
template <typename Find>
auto read_enum(const Fields& fields, std::string_view field, ErrorKind kind, Find find) {
  const std::string name = fields.text(field, kMaxName);
  const auto value = find(name);
  if (!value) fail(kind, "{} '{}' is not known to this libkvs", field, printable(name));
  return *value;
}

std::optional<DType> find_dtype(std::string_view name) {
  for (const DType type : {DType::f32, DType::f16, DType::bf16, DType::q8})
    if (name == dtype_name(type)) return type;
  return std::nullopt;
}

std::optional<RopePairing> find_pairing(std::string_view name) {
  for (const RopePairing pairing : {RopePairing::half, RopePairing::interleaved})
    if (name == pairing_name(pairing)) return pairing;
  return std::nullopt;
}

KvLayout read_layout(const Fields& fields) {
  constexpr int64_t kMaxExtent = 1 << 20;  // find_fault(header) has the narrower limits
  return {.layers = static_cast<int>(fields.integer("layers", 0, kMaxExtent)),
          .kv_heads = static_cast<int>(fields.integer("kv_heads", 0, kMaxExtent)),
          .head_dim = static_cast<int>(fields.integer("head_dim", 0, kMaxExtent)),
          .type = read_enum(fields, "dtype", ErrorKind::mismatch, find_dtype)};
}

ArchiveHeader read_header(const Fields& fields) {
  const auto version = static_cast<int>(fields.integer("version", 1, 1 << 30));
  if (version != kArchiveVersion)
    fail(ErrorKind::mismatch, "archive version {}, this libkvs reads version {}", version,
         kArchiveVersion);
  return {.version = version,
          .model = fields.text("model", kMaxName),
          .fingerprint = fields.text("fingerprint", kMaxFingerprint),
          .tokenizer = fields.text("tokenizer", kMaxName),
          .layout = read_layout(fields),
          .rope = read_enum(fields, "rope", ErrorKind::mismatch, find_pairing),
          .creator = fields.text("creator", kMaxName),
          .time = fields.integer("time", -kMaxTime, kMaxTime)};
}

KvRecord read_kv(const Fields& fields, const ArchiveHeader& header, bool decode, Content& content) {
  KvRecord record;
  record.id = fields.hash("id");
  if (fields.has("parent")) record.parent = fields.hash("parent");
  record.tokens = fields.tokens("tokens", kMaxKvTokens);
  record.home = fields.integer("home", 0, kMaxPosition);
  record.exact = fields.boolean("exact");
  record.codec = read_enum(fields, "codec", ErrorKind::mismatch, find_codec);
  record.error = fields.number("error");
  if (is_lossy(record.codec)) record.max_error = fields.number("max_error");
  const auto max_binaries = 2 * static_cast<size_t>(header.layout.layers) + sizeof(float);
  const auto data = fields.binaries("data", max_binaries);
  std::vector<std::span<const std::byte>> scales;
  if (fields.has("scales")) scales = fields.binaries("scales", max_binaries);
  if (is_lossy(record.codec) && header.layout.type == DType::q8)
    fail(ErrorKind::format, "codec {} of {} keys and values", codec_name(record.codec),
         dtype_name(header.layout.type));
  if (decode) decode_kv(record, header.layout, data, scales, content);
  return record;
}

PromptSpan read_span(const Fields& fields) {
  PromptSpan span;
  span.count = static_cast<int32_t>(fields.integer("count", 1, kMaxPosition));
  if (!fields.has("kv")) return span;
  span.kv = fields.hash("kv");
  span.first = static_cast<int32_t>(fields.integer("first", 0, kMaxKvTokens));
  span.shift = fields.integer("shift", -kMaxPosition, kMaxPosition);
  span.exact = fields.boolean("exact");
  return span;
}

PromptRecord read_prompt(const Fields& fields) {
  PromptRecord record;
  record.id = fields.text("id", kMaxName);
  record.tenant = fields.text("tenant", kMaxName);
  if (fields.has("owner")) record.owner = fields.text("owner", kMaxName);
  record.visibility = read_enum(fields, "visibility", ErrorKind::mismatch, find_visibility);
  record.tokens = fields.tokens("tokens", kMaxPromptTokens);
  if (fields.has("text")) record.text = fields.text("text", kMaxText);
  if (fields.has("embedding")) {
    record.embedding = fields.floats("embedding", kMaxEmbedding);
    record.embedder = fields.text("embedder", kMaxName);
  }
  for (const Fields& span : fields.maps("spans", kMaxPromptTokens))
    record.spans.push_back(read_span(span));
  if (fields.has("settings")) record.settings = fields.text("settings", kMaxText);
  record.time = fields.integer("time", -kMaxTime, kMaxTime);
  return record;
}

ArchiveEnd read_end(const Fields& fields) {
  return {.kv = fields.integer("kv", 0, kMaxRecords),
          .prompts = fields.integer("prompts", 0, kMaxRecords),
          .hash = fields.hash("hash"),
          .table = fields.boolean("table")};
}

}  // namespace

ArchiveRecord read_record(Content& content, const ArchiveHeader* header, bool decode) {
  const msgpack::object_handle handle = parse_map(content.view());
  const Fields fields(handle.get());
  const std::string kind = fields.text("t", 16);
  if (kind == "header") return read_header(fields);
  if (header == nullptr) fail(ErrorKind::format, "record '{}' before a header", printable(kind));
  if (kind == "kv") return read_kv(fields, *header, decode, content);
  if (kind == "prompt") return read_prompt(fields);
  if (kind == "end") return read_end(fields);
  fail(ErrorKind::format, "unknown record '{}'", printable(kind));
}

}  // namespace kvs
