#include "support/reference_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "base/half.h"

namespace kvs::test {
namespace {

constexpr int kLayer = AttentionScene::kLayer;

template <typename T>
T get(const std::byte* p, size_t index) {
  T x;
  std::memcpy(&x, p + index * sizeof(T), sizeof(T));
  return x;
}

double element(DType type, const std::byte* row, size_t d) {
  switch (type) {
    case DType::f32:
      return get<float>(row, d);
    case DType::f16:
      return f16_to_f32(get<uint16_t>(row, d));
    case DType::bf16:
      return bf16_to_f32(get<uint16_t>(row, d));
    case DType::q8:
      break;
  }
  return get<int8_t>(row, d);
}

std::vector<double> cached_row(const KvLayout& kv, const std::byte* plane, const std::byte* scales,
                               int slot) {
  const double scale = kv.type == DType::q8 ? get<float>(scales, static_cast<size_t>(slot)) : 1;
  std::vector<double> out(static_cast<size_t>(kv.head_dim));
  for (size_t d = 0; d < out.size(); ++d) {
    out[d] = scale * element(kv.type, plane + static_cast<size_t>(slot) * kv.row_bytes(), d);
  }
  return out;
}

/// The keys and values that a sequence sees in one KV head, by position.
struct HeadCache {
  std::vector<int32_t> shifts;
  std::vector<std::vector<double>> keys, values;

  HeadCache(const KvLayout& kv, const BatchSequence& sequence, int head) {
    for (const KvRun& run : sequence.runs) {
      for (int slot = run.first; slot < run.first + run.count; ++slot) {
        shifts.push_back(run.shift);
        keys.push_back(cached_key(kv, run.block, slot, head));
        values.push_back(cached_value(kv, run.block, slot, head));
      }
    }
  }
};

/// The weights of one query head at `position`, which add up to 1. [position + 1]
std::vector<double> weigh(const AttentionConfig& config, const HeadCache& cache, const float* query,
                          int32_t position) {
  std::map<int32_t, std::vector<double>> queries;  // by shift
  std::vector<double> weights(static_cast<size_t>(position) + 1);
  double total = 0;
  const int32_t first = config.window == 0 ? 0 : std::max(0, position - config.window + 1);
  for (auto p = static_cast<size_t>(first); p <= static_cast<size_t>(position); ++p) {
    auto& q = queries[cache.shifts[p]];
    if (q.empty()) {
      q = rotated(query, int64_t{position} - cache.shifts[p], config.inverse_frequencies);
    }
    double score = 0;
    for (size_t d = 0; d < q.size(); ++d) score += q[d] * cache.keys[p][d];
    // No maximum is subtracted: scores of these sizes are far from overflow in double.
    total += weights[p] = std::exp(config.scale * score);
  }
  for (double& weight : weights) weight /= total;
  return weights;
}

/// The output of one query head at `position`. [D]
std::vector<double> attend(const AttentionConfig& config, const HeadCache& cache,
                           const float* query, int32_t position) {
  std::vector<double> sums(static_cast<size_t>(config.kv.head_dim));
  const std::vector<double> weights = weigh(config, cache, query, position);
  for (size_t p = 0; p < weights.size(); ++p)
    for (size_t d = 0; d < sums.size(); ++d) sums[d] += weights[p] * cache.values[p][d];
  return sums;
}

/// Of an exact f32 or a double.
std::vector<double> turned(const std::vector<double>& x, int64_t position,
                           const std::vector<double>& frequencies) {
  const size_t half = frequencies.size();
  std::vector<double> out(2 * half);
  for (size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * frequencies[i];
    out[i] = x[i] * std::cos(angle) - x[half + i] * std::sin(angle);
    out[half + i] = x[i] * std::sin(angle) + x[half + i] * std::cos(angle);
  }
  return out;
}

}  // namespace

std::vector<double> rotated(const float* x, int64_t position,
                            const std::vector<double>& frequencies) {
  return turned({x, x + 2 * frequencies.size()}, position, frequencies);
}

std::vector<double> cached_key(const KvLayout& kv, const void* block, int slot, int head) {
  const auto* bytes = static_cast<const std::byte*>(block);
  return cached_row(kv, bytes + kv.key_offset(kLayer, head),
                    bytes + kv.key_scale_offset(kLayer, head), slot);
}

std::vector<double> cached_value(const KvLayout& kv, const void* block, int slot, int head) {
  const auto* bytes = static_cast<const std::byte*>(block);
  return cached_row(kv, bytes + kv.value_offset(kLayer, head),
                    bytes + kv.value_scale_offset(kLayer, head), slot);
}

std::vector<double> reference_attention(const SceneBatch& batch) {
  const AttentionConfig& config = batch.config;
  const int head_dim = config.kv.head_dim, group = config.heads / config.kv.kv_heads;
  std::map<std::pair<int32_t, int>, HeadCache> caches;  // by sequence and KV head
  std::vector<double> out;
  for (size_t t = 0; t < batch.layout.rows.size(); ++t) {
    const BatchRow& row = batch.layout.rows[t];
    const auto& sequence = batch.layout.sequences[static_cast<size_t>(row.sequence)];
    for (int head = 0; head < config.heads; ++head) {
      const auto cache =
          caches.try_emplace({row.sequence, head / group}, config.kv, sequence, head / group);
      const float* query = batch.qkv.data() + t * batch.qkv_width() + head * head_dim;
      const auto result = attend(config, cache.first->second, query, row.position);
      out.insert(out.end(), result.begin(), result.end());
    }
  }
  return out;
}

std::vector<double> reference_attention_mass(const SceneBatch& batch,
                                             const std::vector<int32_t>& rows) {
  const AttentionConfig& config = batch.config;
  const int group = config.heads / config.kv.kv_heads;
  std::vector<double> mass;
  for (const int32_t index : rows) {
    const BatchRow& row = batch.layout.rows[index];
    mass.resize(static_cast<size_t>(row.position) + 1);
    for (int head = 0; head < config.heads; ++head) {
      const HeadCache cache(config.kv, batch.layout.sequences[row.sequence], head / group);
      const float* query = batch.qkv.data() + index * batch.qkv_width() + head * config.kv.head_dim;
      const std::vector<double> weights = weigh(config, cache, query, row.position);
      for (size_t p = 0; p < weights.size(); ++p) mass[p] += weights[p] / config.heads;
    }
  }
  return mass;
}

std::vector<double> reference_kv_deviation(const AttentionConfig& config, const KvPair& pair) {
  std::vector<double> sums(3);
  for (int head = 0; head < config.kv.kv_heads; ++head) {
    // Both keys as they stand without rotation.
    const auto& frequencies = config.inverse_frequencies;
    const auto key =
        turned(cached_key(config.kv, pair.block, pair.row, head), -pair.home, frequencies);
    const auto kept = turned(cached_key(config.kv, pair.kept_block, pair.kept_row, head),
                             -pair.kept_home, frequencies);
    const auto value = cached_value(config.kv, pair.block, pair.row, head);
    const auto kept_value = cached_value(config.kv, pair.kept_block, pair.kept_row, head);
    for (size_t d = 0; d < key.size(); ++d) {
      sums[0] += (key[d] - kept[d]) * (key[d] - kept[d]);
      sums[1] += (value[d] - kept_value[d]) * (value[d] - kept_value[d]);
      sums[2] += std::abs(value[d] - kept_value[d]);
    }
  }
  return sums;
}

}  // namespace kvs::test
