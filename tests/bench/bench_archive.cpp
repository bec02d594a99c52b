// What an archive costs: MB of KV per second, written to and read from the page cache, one thread
// reads. Arguments: a folder to write to (default /tmp), threads of the writer (default 1).
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "kvs/archive.h"
#include "kvs/archive_reader.h"

namespace {

constexpr int kRecords = 16;
constexpr int kRounds = 9;

const kvs::ArchiveHeader kHeader{
    .model = "bench",
    .fingerprint = "bench",
    .tokenizer = "bench",
    .layout = {.layers = 30, .kv_heads = 3, .head_dim = 64, .type = kvs::DType::f16}};

// Rounds to even; what is too small for a normal f16 becomes zero.
uint16_t to_f16(float value) {
  if (std::abs(value) < 0x1p-14f) return 0;
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = (bits & 0x7fffffff) - (uint32_t{112} << 23);
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>((bits >> 16 & 0x8000) | rounded >> 13);
}

// Gaussian values around an offset per channel: what keys and values look like.
std::vector<uint16_t> random_kv(std::mt19937& random, size_t elements) {
  std::normal_distribution<float> normal;
  std::vector<float> offsets(64);
  for (float& offset : offsets) offset = 3 * normal(random);
  std::vector<uint16_t> kv(elements);
  for (size_t at = 0; at < elements; ++at)
    kv[at] = to_f16(normal(random) + offsets[at % offsets.size()]);
  return kv;
}

struct Input {
  std::vector<std::vector<uint16_t>> data;
  std::vector<kvs::KvRecord> records;
  size_t bytes = 0;
};

Input make_input() {
  Input input;
  std::mt19937 random(1);
  const size_t plane = size_t{3} * kvs::kMaxKvTokens * 64;
  for (int index = 0; index < kRecords; ++index) {
    kvs::KvRecord& record = input.records.emplace_back();
    record.id = {1, static_cast<uint64_t>(index)};
    record.tokens.assign(kvs::kMaxKvTokens, index);
    const auto& data = input.data.emplace_back(random_kv(random, 60 * plane));
    const auto bytes = std::as_bytes(std::span(data));
    for (size_t layer = 0; layer < 30; ++layer)
      record.layers.push_back({.k = bytes.subspan(4 * layer * plane, 2 * plane),
                               .v = bytes.subspan((4 * layer + 2) * plane, 2 * plane)});
    input.bytes += bytes.size();
  }
  return input;
}

struct Rates {
  std::vector<double> samples;  // MB/s

  double quantile(double share) {
    std::sort(samples.begin(), samples.end());
    return samples[static_cast<size_t>(share * static_cast<double>(samples.size() - 1))];
  }
};

// By the wall clock, and by the time the process really ran: other work on the machine hardly
// changes the second.
template <typename Body>
void measure(const std::string& name, size_t bytes, Body body) {
  using Clock = std::chrono::steady_clock;
  Rates wall;
  Rates processor;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = Clock::now();
    const std::clock_t ticks = std::clock();
    body();
    const double ran = static_cast<double>(std::clock() - ticks) / CLOCKS_PER_SEC;
    const double passed = std::chrono::duration<double>(Clock::now() - start).count();
    wall.samples.push_back(static_cast<double>(bytes) / passed / 1e6);
    processor.samples.push_back(static_cast<double>(bytes) / ran / 1e6);
  }
  fmt::print("{:<24} {:>6.0f} MB/s (p10 {:.0f}, p90 {:.0f}), per core {:.0f} MB/s\n", name,
             wall.quantile(0.5), wall.quantile(0.1), wall.quantile(0.9), processor.quantile(0.5));
}

void write_archive(const std::filesystem::path& path, Input& input, kvs::KvCodec codec,
                   int threads) {
  kvs::ArchiveWriter writer(path, kHeader, {.threads = threads});
  for (kvs::KvRecord& record : input.records) {
    record.codec = codec;
    record.exact = !kvs::is_lossy(codec);
  }
  writer.add(input.records);
  writer.finish();
}

bool is_same(const kvs::KvRecord& record, const kvs::KvRecord& expected) {
  for (size_t layer = 0; layer < expected.layers.size(); ++layer) {
    if (!std::ranges::equal(record.layers[layer].k, expected.layers[layer].k)) return false;
    if (!std::ranges::equal(record.layers[layer].v, expected.layers[layer].v)) return false;
  }
  return true;
}

void measure_codec(const std::filesystem::path& path, Input& input, kvs::KvCodec codec,
                   int threads) {
  const std::string name(kvs::codec_name(codec));
  measure(name + ", write", input.bytes, [&] { write_archive(path, input, codec, threads); });
  fmt::print(
      "{:<24} {:>6.3f} of raw KV\n", name + ", size",
      static_cast<double>(std::filesystem::file_size(path)) / static_cast<double>(input.bytes));
  const kvs::ArchiveFile file(path);
  for (const kvs::KvRecord& record : input.records)
    if (!kvs::is_lossy(codec) && !is_same(file.read_kv(0, record.id), record))
      fmt::print("WRONG DATA\n");
  measure(name + ", read in order", input.bytes, [&] {
    kvs::ArchiveReader reader(path);
    while (reader.next()) {
    }
  });
  measure(name + ", read at random", input.bytes, [&] {
    for (const kvs::KvRecord& record : input.records) file.read_kv(0, record.id);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto path = std::filesystem::path(argc > 1 ? argv[1] : "/tmp") / "bench_archive.kva";
  Input input = make_input();
  std::vector<uint16_t> copy(input.data[0].size());
  measure("memcpy", input.bytes, [&] {
    for (const auto& data : input.data)
      std::memcpy(copy.data(), data.data(), data.size() * sizeof data[0]);
  });
  for (const kvs::KvCodec codec :
       {kvs::KvCodec::raw, kvs::KvCodec::shuffle, kvs::KvCodec::q8, kvs::KvCodec::q4})
    measure_codec(path, input, codec, argc > 2 ? std::atoi(argv[2]) : 1);
  std::filesystem::remove(path);
}
