#include "archive/kv_codec.h"

#include <array>
#include <cstring>
#include <utility>

#include "archive/byte_planes.h"
#include "archive/lossy_codec.h"
#include "archive/member_rules.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Bytes = std::span<const std::byte>;

void check_count(std::string_view field, size_t found, size_t expected) {
  if (found != expected)
    fail(ErrorKind::format, "field '{}' has {} binaries, expected {}", field, found, expected);
}

void check_size(std::string_view field, size_t found, size_t expected) {
  if (found != expected)
    fail(ErrorKind::format, "field '{}' has a binary of {} bytes, expected {}", field, found,
         expected);
}

EncodedKv encode_shuffled(const KvRecord& record, DType type) {
  const size_t width = element_bytes(type);
  size_t total = 0;
  for (const KvLayer& layer : record.layers) total += layer.k.size() + layer.v.size();
  const size_t stride = total / width;

  EncodedKv encoded;
  encoded.storage.reserve(total);
  std::byte* planes = encoded.storage.data.get();
  for (size_t plane = 0; plane < width; ++plane)
    encoded.data.emplace_back(planes + plane * stride, stride);
  for (const KvLayer& layer : record.layers) {
    for (const Bytes part : {layer.k, layer.v}) {
      split_planes(part, width, planes, stride);
      planes += part.size() / width;
    }
  }
  return encoded;
}

void place_scales(KvRecord& record, std::span<const Bytes> scales) {
  for (size_t layer = 0; layer < scales.size() / 2; ++layer) {
    record.layers[layer].k_scales = scales[2 * layer];
    record.layers[layer].v_scales = scales[2 * layer + 1];
  }
}

void decode_raw(KvRecord& record, const KvLayout& layout, std::span<const Bytes> data,
                std::span<const Bytes> scales, Content& content) {
  check_count("data", data.size(), 2 * record.layers.size());
  const size_t plane = plane_bytes(layout, record.tokens.size());
  for (const Bytes binary : data) check_size("data", binary.size(), plane);
  for (size_t layer = 0; layer < record.layers.size(); ++layer) {
    record.layers[layer].k = data[2 * layer];
    record.layers[layer].v = data[2 * layer + 1];
  }
  place_scales(record, scales);
  record.storage = std::exchange(content.buffer, {}).data;
}

void decode_shuffled(KvRecord& record, const KvLayout& layout, std::span<const Bytes> data,
                     std::span<const Bytes> scales, const Content& content) {
  const size_t width = element_bytes(layout.type);
  const size_t part = plane_bytes(layout, record.tokens.size());
  const size_t total = 2 * record.layers.size() * part;
  check_count("data", data.size(), width);
  std::array<const std::byte*, 4> planes{};
  for (size_t plane = 0; plane < width; ++plane) {
    check_size("data", data[plane].size(), total / width);
    planes[plane] = data[plane].data();
  }
  const size_t scale = scale_bytes(layout, record.tokens.size());
  record.storage = content.allocate(total + scales.size() * scale);
  std::byte* out = record.storage.get();
  join_planes(planes.data(), width, {out, total});
  for (KvLayer& layer : record.layers) {
    layer.k = {std::exchange(out, out + part), part};
    layer.v = {std::exchange(out, out + part), part};
  }
  std::vector<Bytes> moved;
  for (const Bytes binary : scales) {
    std::memcpy(out, binary.data(), scale);
    moved.emplace_back(std::exchange(out, out + scale), scale);
  }
  place_scales(record, moved);
}

}  // namespace

EncodedKv encode_kv(const KvRecord& record, const KvLayout& layout) {
  if (record.codec == KvCodec::shuffle) return encode_shuffled(record, layout.type);
  if (is_lossy(record.codec)) return encode_lossy(record, layout);
  EncodedKv encoded;
  for (const KvLayer& layer : record.layers) {
    encoded.data.push_back(layer.k);
    encoded.data.push_back(layer.v);
  }
  return encoded;
}

void decode_kv(KvRecord& record, const KvLayout& layout, std::span<const Bytes> data,
               std::span<const Bytes> scales, Content& content) {
  record.layers.resize(static_cast<size_t>(layout.layers));
  const size_t scale = scale_bytes(layout, record.tokens.size());
  check_count("scales", scales.size(), scale == 0 ? 0 : 2 * record.layers.size());
  for (const Bytes binary : scales) check_size("scales", binary.size(), scale);
  if (is_lossy(record.codec))
    decode_lossy(record, layout, data, content);
  else if (record.codec == KvCodec::shuffle)
    decode_shuffled(record, layout, data, scales, content);
  else
    decode_raw(record, layout, data, scales, content);
}

}  // namespace kvs
