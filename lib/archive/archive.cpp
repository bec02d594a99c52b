#include "kvs/archive.h"

#include <algorithm>
#include <array>
#include <utility>

#include "archive/little_endian.h"
#include "kvs/error.h"

namespace kvs {
namespace {

constexpr std::array<std::pair<KvCodec, std::string_view>, 4> kCodecs{
    {{KvCodec::raw, "raw"},
     {KvCodec::shuffle, "shuffle"},
     {KvCodec::q8, "q8"},
     {KvCodec::q4, "q4"}}};
constexpr std::array<std::pair<Visibility, std::string_view>, 3> kVisibilities{
    {{Visibility::only_tenant, "private"},
     {Visibility::group, "group"},
     {Visibility::everyone, "public"}}};

template <typename Names, typename Value>
std::string_view name_of(const Names& names, Value value) {
  return std::find_if(names.begin(), names.end(),
                      [&](const auto& entry) { return entry.first == value; })
      ->second;
}

template <typename Names>
auto value_of(const Names& names, std::string_view name)
    -> std::optional<typename Names::value_type::first_type> {
  for (const auto& [value, known] : names)
    if (known == name) return value;
  return std::nullopt;
}

void add_text(Hasher& hasher, std::string_view text) {
  hasher.add_value(static_cast<uint32_t>(text.size())).add(text);
}

std::string describe(const KvLayout& layout) {
  return fmt::format("{} layers, {} kv heads, head_dim {}, {}", layout.layers, layout.kv_heads,
                     layout.head_dim, dtype_name(layout.type));
}

void require_equal(std::string_view source, std::string_view what, std::string_view found,
                   std::string_view expected) {
  if (found != expected)
    fail(ErrorKind::mismatch, "{}: made with another {}: found {}, expected {}", source, what,
         found, expected);
}

}  // namespace

std::string_view codec_name(KvCodec codec) {
  return name_of(kCodecs, codec);
}

bool is_lossy(KvCodec codec) {
  return codec == KvCodec::q8 || codec == KvCodec::q4;
}

std::string_view visibility_name(Visibility visibility) {
  return name_of(kVisibilities, visibility);
}

std::string_view pairing_name(RopePairing pairing) {
  return pairing == RopePairing::half ? "half" : "interleaved";
}

std::optional<KvCodec> find_codec(std::string_view name) {
  return value_of(kCodecs, name);
}

std::optional<Visibility> find_visibility(std::string_view name) {
  return value_of(kVisibilities, name);
}

void require_same_model(const ArchiveHeader& header, const ArchiveHeader& expected,
                        std::string_view source) {
  require_equal(source, "model", header.fingerprint, expected.fingerprint);
  require_equal(source, "tokenizer", header.tokenizer, expected.tokenizer);
  if (header.layout.layers == 0) return;
  require_equal(source, "kv layout", describe(header.layout), describe(expected.layout));
  require_equal(source, "rope pairing", pairing_name(header.rope), pairing_name(expected.rope));
}

Hash128 kv_record_id(const KvContext& context, std::span<const int32_t> tokens) {
  Hasher hasher;
  add_text(hasher, context.fingerprint);
  add_text(hasher, context.tenant_salt);
  const auto parent = to_bytes(context.parent);
  hasher.add(parent.data(), parent.size());
  hasher.add_value(static_cast<uint8_t>(context.exact ? 1 : 0));
  return hasher.add(tokens).digest();
}

}  // namespace kvs
