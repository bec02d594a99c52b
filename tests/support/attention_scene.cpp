#include "support/attention_scene.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "support/noise.h"

namespace kvs::test {
namespace {

ContentRandom row_random(uint32_t seed, uint32_t identity, int32_t position) {
  const uint64_t place = uint64_t{identity} << 32 ^ static_cast<uint64_t>(position);
  return {(uint64_t{run_seed()} << 32 | seed) * 0xD1342543DE82EF95 ^ place};
}

/// A number that every type but q8 holds exactly: k / 32, |k| < 64.
float exact_number(ContentRandom& random) {
  return static_cast<float>(static_cast<int>(random() % 127) - 63) / 32;
}

void put(DType type, std::byte* row, int d, ContentRandom& random) {
  const float x = exact_number(random);
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const auto bf16 = static_cast<uint16_t>(bits >> 16);
  const uint16_t f16 = f16_bits(x);
  const auto q8 = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  switch (type) {
    case DType::f32:
      std::memcpy(row + 4 * d, &x, 4);
      break;
    case DType::f16:
      std::memcpy(row + 2 * d, &f16, 2);
      break;
    case DType::bf16:
      std::memcpy(row + 2 * d, &bf16, 2);
      break;
    case DType::q8:
      std::memcpy(row + d, &q8, 1);
      break;
  }
}

}  // namespace

std::vector<int32_t> positions_from(int32_t first, int32_t count) {
  std::vector<int32_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), first);
  return positions;
}

SceneBatch SceneBatch::only(const std::vector<size_t>& rows) const {
  SceneBatch some{config, {{}, layout.sequences}, {}};
  for (const size_t row : rows) {
    some.layout.rows.push_back(layout.rows[row]);
    const float* first = qkv.data() + row * qkv_width();
    some.qkv.insert(some.qkv.end(), first, first + qkv_width());
  }
  return some;
}

AttentionScene::AttentionScene(const Options& options)
    : options_(options), cuts_(options.cut_seed) {
  batch_.config.heads = options.heads;
  batch_.config.kv = {kLayers, options.kv_heads, options.head_dim, options.type};
  batch_.config.scale = static_cast<float>(1 / std::sqrt(options.head_dim));
  batch_.config.window = options.window;
  for (int i = 0; i < options.head_dim / 2; ++i) {
    batch_.config.inverse_frequencies.push_back(std::pow(10000.0, -2.0 * i / options.head_dim));
  }
}

/// Room for a run, at times behind a gap that nothing fills.
AttentionScene::Place AttentionScene::reserve(int count) {
  used_ += static_cast<int>(cuts_() % 3);
  if (used_ + count > kBlockTokens) {
    const size_t bytes = batch_.config.kv.block_bytes();
    blocks_.push_back(std::make_unique<std::byte[]>(bytes));
    std::memset(blocks_.back().get(), 0xFF, bytes);
    used_ = 0;
  }
  used_ += count;
  return {blocks_.back().get(), used_ - count};
}

void AttentionScene::fill(const Place& place, int count, ContentRandom& random) {
  const KvLayout& kv = batch_.config.kv;
  const auto slot = static_cast<size_t>(place.first + count);
  for (int head = 0; head < kv.kv_heads; ++head) {
    for (const size_t plane : {kv.key_offset(kLayer, head), kv.value_offset(kLayer, head)}) {
      std::byte* row = place.block + plane + slot * kv.row_bytes();
      for (int d = 0; d < kv.head_dim; ++d) put(kv.type, row, d, random);
    }
    if (kv.type != DType::q8) continue;
    for (const size_t plane :
         {kv.key_scale_offset(kLayer, head), kv.value_scale_offset(kLayer, head)}) {
      const float scale = static_cast<float>(random() % 100 + 50) / 8192;
      std::memcpy(place.block + plane + slot * sizeof(float), &scale, sizeof(scale));
    }
  }
}

void AttentionScene::add(const SceneSequence& sequence, uint32_t identity) {
  const auto index = static_cast<int32_t>(batch_.layout.sequences.size());
  const auto computed = [&](int32_t position) {
    return sequence.stored &&
           std::binary_search(sequence.rows.begin(), sequence.rows.end(), position);
  };
  std::map<int32_t, Place> targets;
  BatchSequence& view = batch_.layout.sequences.emplace_back();
  for (int32_t position = 0; position < sequence.length;) {
    const auto longest = static_cast<int32_t>(cuts_() % sequence.longest_run + 1);
    int32_t count = 1;
    while (count < longest && position + count < sequence.length &&
           computed(position + count) == computed(position)) {
      ++count;
    }
    const Place place = reserve(count);
    const bool fresh = computed(position);
    const int32_t shift = fresh ? 0 : sequence.shifts[cuts_() % sequence.shifts.size()];
    view.runs.push_back({place.block, place.first, count, position, shift});
    for (int i = 0; i < count; ++i) {
      ContentRandom random = row_random(options_.seed, identity, position + i);
      if (fresh) targets[position + i] = {place.block, place.first + i};
      if (!fresh) fill(place, i, random);
    }
    position += count;
  }
  for (const int32_t position : sequence.rows) {
    const auto target = targets.find(position);
    add_row(index, position, identity, target != targets.end() ? &target->second : nullptr);
  }
}

void AttentionScene::add_row(int32_t sequence, int32_t position, uint32_t identity,
                             const Place* target) {
  batch_.layout.rows.push_back(
      {sequence, position, target ? target->block : nullptr, target ? target->first : 0});
  ContentRandom random = row_random(options_.seed + 1000, identity, position);
  std::normal_distribution<float> normal;
  for (size_t i = 0; i < batch_.qkv_width(); ++i)
    batch_.qkv.push_back(rounded_to_bf16(normal(random)));
}

}  // namespace kvs::test
