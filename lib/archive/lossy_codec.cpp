#include "archive/lossy_codec.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "archive/byte_planes.h"
#include "archive/elements.h"
#include "archive/member_rules.h"
#include "archive/value_group.h"
#include "kvs/error.h"

namespace kvs {
namespace {

using Bytes = std::span<const std::byte>;

// The elements of one head's keys or values of one layer, as vectors whose elements are alike.
struct Vectors {
  size_t vectors;
  size_t length;
  size_t vector_stride;   // from one vector to the next, in elements of [count, head_dim]
  size_t element_stride;  // from one element of a vector to the next
  bool centred;           // groups have offsets
  int levels;             // largest code that the writer uses

  size_t groups() const { return vectors * ((length + kGroupValues - 1) / kGroupValues); }
};

// The largest codes are less than what fits: entropy coding makes them so small as is aimed at.
Vectors key_vectors(KvCodec codec, size_t count, size_t head_dim) {
  return {head_dim, count, 1, head_dim, true, codec == KvCodec::q8 ? 56 : 6};
}

Vectors value_vectors(KvCodec codec, size_t count, size_t head_dim) {
  return {count, head_dim, head_dim, 1, false, codec == KvCodec::q8 ? 56 : 7};
}

size_t packed_bytes(KvCodec codec, size_t codes) {
  return codec == KvCodec::q8 ? codes : (codes + 1) / 2;
}

void pack(KvCodec codec, std::span<const int8_t> codes, std::byte* out) {
  if (codec == KvCodec::q8) {
    std::memcpy(out, codes.data(), codes.size());
    return;
  }
  for (size_t at = 0; at < codes.size(); at += 2) {
    const int high = at + 1 < codes.size() ? codes[at + 1] + 8 : 0;
    *out++ = static_cast<std::byte>((codes[at] + 8) | high << 4);
  }
}

void unpack(KvCodec codec, const std::byte* packed, std::span<int8_t> codes) {
  if (codec == KvCodec::q8) {
    std::memcpy(codes.data(), packed, codes.size());
    return;
  }
  for (size_t at = 0; at < codes.size(); ++at) {
    const int byte = std::to_integer<int>(packed[at / 2]);
    codes[at] = static_cast<int8_t>((at % 2 == 0 ? byte & 15 : byte >> 4) - 8);
  }
}

// Where the parts of a record lie in its binaries.
struct Extent {
  Extent(const KvRecord& record, const KvLayout& layout)
      : codec(record.codec),
        keys(key_vectors(codec, record.tokens.size(), static_cast<size_t>(layout.head_dim))),
        values(value_vectors(codec, record.tokens.size(), static_cast<size_t>(layout.head_dim))),
        heads(static_cast<size_t>(layout.layers) * static_cast<size_t>(layout.kv_heads)) {}

  size_t code_bytes(const Vectors& of) const {
    return heads * of.vectors * packed_bytes(codec, of.length);
  }
  size_t parameters() const { return heads * (2 * keys.groups() + values.groups()); }

  KvCodec codec;
  Vectors keys;
  Vectors values;
  size_t heads;  // of all layers
};

// Where the next codes and ranges go, or come from.
struct Cursor {
  std::byte* codes;
  uint16_t* scales;
  uint16_t* offsets;
};

// Calls body(values of a group, its start in the head's elements) for all groups.
template <typename Body>
void for_each_group(const Vectors& of, Body body) {
  for (size_t vector = 0; vector < of.vectors; ++vector)
    for (size_t first = 0; first < of.length; first += kGroupValues)
      body(std::min(kGroupValues, of.length - first),
           vector * of.vector_stride + first * of.element_stride);
}

void encode_head(KvCodec codec, const Vectors& of, const float* head, Cursor& to) {
  std::array<float, kGroupValues> values;
  std::array<int8_t, kGroupValues> codes;
  for_each_group(of, [&](size_t count, size_t start) {
    for (size_t at = 0; at < count; ++at) values[at] = head[start + at * of.element_stride];
    const std::span group(values.data(), count);
    const GroupRange range = fit_group(group, of.levels, of.centred);
    quantize_group(group, range, of.levels, codes.data());
    pack(codec, {codes.data(), count}, to.codes);
    to.codes += packed_bytes(codec, count);
    *to.scales++ = range.scale;
    if (of.centred) *to.offsets++ = range.offset;
  });
}

void decode_head(KvCodec codec, const Vectors& of, float* head, Cursor& from) {
  std::array<float, kGroupValues> values;
  std::array<int8_t, kGroupValues> codes;
  for_each_group(of, [&](size_t count, size_t start) {
    unpack(codec, from.codes, {codes.data(), count});
    from.codes += packed_bytes(codec, count);
    GroupRange range{.scale = *from.scales++};
    if (of.centred) range.offset = *from.offsets++;
    if (!dequantize_group({codes.data(), count}, range, values.data()))
      fail(ErrorKind::format, "field 'data' has a scale that is not finite");
    for (size_t at = 0; at < count; ++at) head[start + at * of.element_stride] = values[at];
  });
}

struct Cursors {
  Cursors(const Extent& extent, std::byte* key_codes, std::byte* value_codes, uint16_t* parameters)
      : keys{key_codes, parameters, parameters + extent.heads * extent.keys.groups()},
        values{value_codes, parameters + 2 * extent.heads * extent.keys.groups(), nullptr} {}
  Cursor keys;
  Cursor values;
};

// Measures what the codes in `encoded` lose.
void measure_error(const KvRecord& record, const KvLayout& layout, EncodedKv& encoded) {
  KvRecord decoded{.tokens = record.tokens, .codec = record.codec};
  decoded.layers.resize(record.layers.size());
  decode_lossy(decoded, layout, encoded.data, {});
  const size_t elements = plane_bytes(layout, record.tokens.size()) / element_bytes(layout.type);
  std::vector<float> original(elements);
  std::vector<float> approximate(elements);
  double squares = 0;
  double error_squares = 0;
  double largest = 0;
  const auto compare = [&](Bytes from, Bytes to) {
    load_elements(from, layout.type, original.data());
    load_elements(to, layout.type, approximate.data());
    for (size_t e = 0; e < elements; ++e) {
      const double value = original[e];
      const double error = approximate[e] - value;
      squares += value * value;
      error_squares += error * error;
      largest = std::max(largest, std::abs(error));
    }
  };
  for (size_t layer = 0; layer < record.layers.size(); ++layer) {
    compare(record.layers[layer].k, decoded.layers[layer].k);
    compare(record.layers[layer].v, decoded.layers[layer].v);
  }
  encoded.error = squares > 0 ? std::sqrt(error_squares / squares) : 0;
  encoded.max_error = largest;
}

void require_finite(const KvRecord& record, std::span<const float> values) {
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }))
    fail(ErrorKind::argument, "kv {}: not all keys and values are finite, as codec {} needs",
         to_hex(record.id), codec_name(record.codec));
}

void check_sizes(const Extent& extent, std::span<const Bytes> data) {
  if (data.size() != 3)
    fail(ErrorKind::format, "field 'data' has {} binaries, expected 3", data.size());
  const std::array expected{extent.code_bytes(extent.keys), extent.code_bytes(extent.values),
                            extent.parameters() * sizeof(uint16_t)};
  for (size_t part = 0; part < data.size(); ++part)
    if (data[part].size() != expected[part])
      fail(ErrorKind::format, "field 'data' has a binary of {} bytes, expected {}",
           data[part].size(), expected[part]);
}

}  // namespace

EncodedKv encode_lossy(const KvRecord& record, const KvLayout& layout) {
  const Extent extent(record, layout);
  const size_t key_bytes = extent.code_bytes(extent.keys);
  const size_t value_bytes = extent.code_bytes(extent.values);
  const size_t parameters = extent.parameters();
  EncodedKv encoded;
  encoded.storage.reserve(key_bytes + value_bytes + parameters * sizeof(uint16_t));
  std::byte* codes = encoded.storage.data.get();
  std::vector<uint16_t> ranges(parameters);
  Cursors to(extent, codes, codes + key_bytes, ranges.data());

  const size_t elements = plane_bytes(layout, record.tokens.size()) / element_bytes(layout.type);
  const size_t head_elements = elements / static_cast<size_t>(layout.kv_heads);
  std::vector<float> plane(elements);
  const auto encode = [&](Bytes part, const Vectors& of, Cursor& cursor) {
    load_elements(part, layout.type, plane.data());
    require_finite(record, plane);
    for (size_t head = 0; head < elements; head += head_elements)
      encode_head(record.codec, of, plane.data() + head, cursor);
  };
  for (const KvLayer& layer : record.layers) {
    encode(layer.k, extent.keys, to.keys);
    encode(layer.v, extent.values, to.values);
  }
  std::byte* planes = codes + key_bytes + value_bytes;
  split_planes(std::as_bytes(std::span(ranges)), sizeof(uint16_t), planes, parameters);
  encoded.data = {{codes, key_bytes},
                  {codes + key_bytes, value_bytes},
                  {planes, parameters * sizeof(uint16_t)}};
  measure_error(record, layout, encoded);
  return encoded;
}

void decode_lossy(KvRecord& record, const KvLayout& layout, std::span<const Bytes> data,
                  const Content& content) {
  const Extent extent(record, layout);
  check_sizes(extent, data);
  const size_t parameters = extent.parameters();
  std::vector<uint16_t> ranges(parameters);
  const std::array planes{data[2].data(), data[2].data() + parameters};
  join_planes(planes.data(), sizeof(uint16_t), std::as_writable_bytes(std::span(ranges)));
  Cursors from(extent, const_cast<std::byte*>(data[0].data()),
               const_cast<std::byte*>(data[1].data()), ranges.data());

  const size_t part = plane_bytes(layout, record.tokens.size());
  const size_t elements = part / element_bytes(layout.type);
  const size_t head_elements = elements / static_cast<size_t>(layout.kv_heads);
  record.storage = content.allocate(2 * record.layers.size() * part);
  std::byte* out = record.storage.get();
  std::vector<float> plane(elements);
  const auto decode = [&](const Vectors& of, Cursor& cursor) {
    for (size_t head = 0; head < elements; head += head_elements)
      decode_head(record.codec, of, plane.data() + head, cursor);
    store_elements(plane, layout.type, out);
    return Bytes(std::exchange(out, out + part), part);
  };
  for (KvLayer& layer : record.layers) {
    layer.k = decode(extent.keys, from.keys);
    layer.v = decode(extent.values, from.values);
  }
}

}  // namespace kvs
