#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kvs/archive.h"
#include "kvs/archive_reader.h"
#include "kvs/error.h"

namespace kvs::test {

inline ArchiveHeader sample_header(DType type = DType::f16) {
  return {.model = "tiny",
          .fingerprint = "llama 2x2x4 " + std::string(dtype_name(type)),
          .tokenizer = "0123abcd",
          .layout = {.layers = 2, .kv_heads = 2, .head_dim = 4, .type = type},
          .creator = "archive_test 1",
          .time = 1795400000};
}

/// A record whose bytes are drawn from `seed`; owns them. For a lossy codec all elements are
/// finite.
inline KvRecord sample_kv(const ArchiveHeader& header, uint32_t seed, int count = 3,
                          KvCodec codec = KvCodec::raw) {
  std::mt19937 random(seed);
  KvRecord record;
  for (int row = 0; row < count; ++row)
    record.tokens.push_back(static_cast<int32_t>(random() % 50000));
  record.home = 5;
  record.codec = codec;
  record.exact = !is_lossy(codec);
  record.parent = {seed, 1};
  record.id =
      kv_record_id({.fingerprint = header.fingerprint, .parent = record.parent}, record.tokens);
  const KvLayout& layout = header.layout;
  const size_t rows = static_cast<size_t>(layout.kv_heads) * static_cast<size_t>(count);
  const size_t plane = rows * layout.row_bytes();
  const size_t scales = layout.type == DType::q8 ? rows * sizeof(float) : 0;
  const size_t total = 2 * static_cast<size_t>(layout.layers) * (plane + scales);
  record.storage = std::make_unique<std::byte[]>(total);
  for (size_t at = 0; at < total; ++at) record.storage[at] = static_cast<std::byte>(random());
  if (is_lossy(codec))  // without the upper half of the exponents
    for (size_t at = element_bytes(layout.type); at <= total; at += element_bytes(layout.type))
      record.storage[at - 1] &= std::byte{0xbf};
  const std::byte* next = record.storage.get();
  for (int layer = 0; layer < layout.layers; ++layer) {
    KvLayer& to = record.layers.emplace_back();
    for (auto* part : {&to.k, &to.v}) *part = {std::exchange(next, next + plane), plane};
    for (auto* part : {&to.k_scales, &to.v_scales})
      *part = {std::exchange(next, next + scales), scales};
  }
  return record;
}

/// A prompt of eight tokens: rows 0 and 1 of `kv`, shifted to the start; a hole; row 2 where
/// it was computed, at position 7.
inline PromptRecord sample_prompt(const std::string& id, const KvRecord& kv) {
  return {.id = id,
          .tenant = "acme",
          .visibility = Visibility::group,
          .tokens = {1, 2, 3, 4, 5, 6, 7, kv.tokens.at(2)},
          .text = "gr\u00fc\u00df dich",
          .embedding = {0.6f, -0.8f},
          .embedder = "static",
          .spans = {{.kv = kv.id, .first = 0, .count = 2, .shift = -5},
                    {.count = 5},
                    {.kv = kv.id, .first = 2, .count = 1, .exact = kv.exact}},
          .settings = R"({"max_tokens": 16})",
          .time = 1795400001};
}

/// All that a record says, in a form that compares: the layers by their bytes.
inline std::string describe(const ArchiveRecord& record) {
  std::string out;
  const auto add = [&out](const auto& bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size() * sizeof(bytes[0]));
    out += '|';
  };
  if (const auto* header = std::get_if<ArchiveHeader>(&record)) {
    const KvLayout& l = header->layout;
    out =
        fmt::format("header {} {} {} {} {} {} {} {} {} {} {}", header->version, header->model,
                    header->fingerprint, header->tokenizer, l.layers, l.kv_heads, l.head_dim,
                    dtype_name(l.type), pairing_name(header->rope), header->creator, header->time);
  } else if (const auto* kv = std::get_if<KvRecord>(&record)) {
    out = fmt::format("kv {} {} {} {} {} {} ", to_hex(kv->id), to_hex(kv->parent), kv->home,
                      kv->exact, codec_name(kv->codec), kv->error);
    add(kv->tokens);
    for (const KvLayer& layer : kv->layers)
      for (const auto& part : {layer.k, layer.v, layer.k_scales, layer.v_scales}) add(part);
  } else if (const auto* prompt = std::get_if<PromptRecord>(&record)) {
    out = fmt::format("prompt {} {} {} {} {} {} {} {} ", prompt->id, prompt->tenant, prompt->owner,
                      visibility_name(prompt->visibility), prompt->text.value_or("(none)"),
                      prompt->embedder, prompt->settings, prompt->time);
    add(prompt->tokens);
    add(prompt->embedding);
    for (const PromptSpan& span : prompt->spans)
      out += fmt::format("{} {} {} {} {},", span.kv ? to_hex(*span.kv) : "-", span.first,
                         span.count, span.shift, span.exact);
  } else {
    const auto& end = std::get<ArchiveEnd>(record);
    out = fmt::format("end {} {} {} {}", end.kv, end.prompts, to_hex(end.hash), end.table);
  }
  return out;
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::ssize(bytes));
}

/// What a reader gave before it ended or failed.
struct ReadResult {
  std::vector<std::string> records;  ///< described
  std::vector<int64_t> offsets;
  int64_t end_of_records = 0;
  std::optional<Error> error;
};

inline ReadResult read_all(ArchiveReader& reader) {
  ReadResult result;
  try {
    while (const auto item = reader.next()) {
      result.records.push_back(describe(item->record));
      result.offsets.push_back(item->offset);
      result.end_of_records = item->offset + item->bytes;
    }
  } catch (const Error& error) {
    result.error = error;
  }
  return result;
}

inline ReadResult read_all(const std::filesystem::path& path) {
  ArchiveReader reader(path);
  return read_all(reader);
}

/// An archive with two kv records and two prompts.
inline void write_sample(const std::filesystem::path& path, KvCodec codec = KvCodec::raw,
                         const ArchiveOptions& options = {}) {
  const ArchiveHeader header = sample_header();
  ArchiveWriter writer(path, header, options);
  for (const uint32_t seed : {1, 2}) {
    const KvRecord kv = sample_kv(header, seed, 3, codec);
    writer.add(kv);
    writer.add(sample_prompt(fmt::format("p{}", seed), kv));
  }
  writer.finish();
}

}  // namespace kvs::test
