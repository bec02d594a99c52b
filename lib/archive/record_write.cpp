#include "archive/record_write.h"

#include <msgpack.hpp>

#include "archive/kv_codec.h"

namespace kvs {
namespace {

using Bytes = std::span<const std::byte>;

// What msgpack::packer writes to.
class ByteVector {
 public:
  void reserve(size_t bytes) { bytes_.reserve(bytes); }
  void write(const char* data, size_t bytes) {
    const auto* start = reinterpret_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), start, start + bytes);
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

// Writes one map. Values are converted to msgpack's own types here, field by field.
class MapWriter {
 public:
  explicit MapWriter(size_t fields, size_t reserve = 256) {
    out_.reserve(reserve);
    start_map(fields);
  }

  void start_map(size_t fields) { pack_.pack_map(static_cast<uint32_t>(fields)); }

  template <typename T>
  void add(std::string_view name, const T& value) {
    put(name);
    put(value);
  }

  void add_maps(std::string_view name, size_t count) {
    put(name);
    pack_.pack_array(static_cast<uint32_t>(count));
  }

  std::vector<std::byte> take() { return out_.take(); }

 private:
  void put(std::string_view text) {
    pack_.pack_str(static_cast<uint32_t>(text.size()));
    pack_.pack_str_body(text.data(), static_cast<uint32_t>(text.size()));
  }
  void put(const std::string& text) { put(std::string_view(text)); }
  void put(const char* text) { put(std::string_view(text)); }
  void put(bool value) { pack_.pack(value); }
  void put(int value) { pack_.pack(value); }
  void put(int64_t value) { pack_.pack(value); }
  void put(double value) { pack_.pack(value); }
  void put(float value) { pack_.pack(value); }
  void put(Bytes bytes) {
    pack_.pack_bin(static_cast<uint32_t>(bytes.size()));
    pack_.pack_bin_body(reinterpret_cast<const char*>(bytes.data()),
                        static_cast<uint32_t>(bytes.size()));
  }
  void put(const Hash128& hash) { put(Bytes(to_bytes(hash))); }
  template <typename T>
  void put(const std::vector<T>& values) {
    pack_.pack_array(static_cast<uint32_t>(values.size()));
    for (const T& value : values) put(value);
  }

  ByteVector out_;
  msgpack::packer<ByteVector> pack_{out_};
};

void add_span(MapWriter& map, const PromptSpan& span) {
  map.start_map(span.kv ? 5 : 1);
  map.add("count", span.count);
  if (!span.kv) return;
  map.add("kv", *span.kv);
  map.add("first", span.first);
  map.add("shift", span.shift);
  map.add("exact", span.exact);
}

}  // namespace

std::vector<std::byte> write_record(const ArchiveHeader& header) {
  MapWriter map(12);
  map.add("t", "header");
  map.add("version", header.version);
  map.add("model", header.model);
  map.add("fingerprint", header.fingerprint);
  map.add("tokenizer", header.tokenizer);
  map.add("layers", header.layout.layers);
  map.add("kv_heads", header.layout.kv_heads);
  map.add("head_dim", header.layout.head_dim);
  map.add("dtype", dtype_name(header.layout.type));
  map.add("rope", pairing_name(header.rope));
  map.add("creator", header.creator);
  map.add("time", header.time);
  return map.take();
}

std::vector<std::byte> write_record(const KvRecord& record, const KvLayout& layout) {
  const EncodedKv encoded = encode_kv(record, layout);
  std::vector<Bytes> scales;
  for (const KvLayer& layer : record.layers) {
    if (layer.k_scales.empty()) break;
    scales.insert(scales.end(), {layer.k_scales, layer.v_scales});
  }
  size_t bytes = 4096;
  for (const Bytes part : encoded.data) bytes += part.size() + 5;
  for (const Bytes part : scales) bytes += part.size() + 5;

  const bool lossy = is_lossy(record.codec);
  MapWriter map(8 + (record.parent.is_zero() ? 0 : 1) + (scales.empty() ? 0 : 1) + (lossy ? 1 : 0),
                bytes);
  map.add("t", "kv");
  map.add("id", record.id);
  if (!record.parent.is_zero()) map.add("parent", record.parent);
  map.add("tokens", record.tokens);
  map.add("home", record.home);
  map.add("exact", record.exact);
  map.add("codec", codec_name(record.codec));
  map.add("error", encoded.error);
  if (lossy) map.add("max_error", encoded.max_error);
  if (!scales.empty()) map.add("scales", scales);
  map.add("data", encoded.data);
  return map.take();
}

std::vector<std::byte> write_record(const PromptRecord& record) {
  const size_t optional = (record.owner.empty() ? 0 : 1) + (record.text ? 1 : 0) +
                          (record.embedding.empty() ? 0 : 2) + (record.settings.empty() ? 0 : 1);
  MapWriter map(7 + optional);
  map.add("t", "prompt");
  map.add("id", record.id);
  map.add("tenant", record.tenant);
  if (!record.owner.empty()) map.add("owner", record.owner);
  map.add("visibility", visibility_name(record.visibility));
  map.add("tokens", record.tokens);
  if (record.text) map.add("text", *record.text);
  if (!record.embedding.empty()) {
    map.add("embedding", record.embedding);
    map.add("embedder", record.embedder);
  }
  map.add_maps("spans", record.spans.size());
  for (const PromptSpan& span : record.spans) add_span(map, span);
  if (!record.settings.empty()) map.add("settings", record.settings);
  map.add("time", record.time);
  return map.take();
}

std::vector<std::byte> write_record(const ArchiveEnd& end) {
  MapWriter map(5);
  map.add("t", "end");
  map.add("kv", end.kv);
  map.add("prompts", end.prompts);
  map.add("hash", end.hash);
  map.add("table", end.table);
  return map.take();
}

}  // namespace kvs
