#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kvs/backend.h"
#include "support/attention_scene.h"

namespace kvs::test {

/// The greatest magnitude, 0 of none.
inline double largest(const std::vector<double>& x) {
  double found = 0;
  for (const double element : x) found = std::max(found, std::abs(element));
  return found;
}

/// x [D] rotated by `position` in double, half-split pairing.
std::vector<double> rotated(const float* x, int64_t position,
                            const std::vector<double>& frequencies);

/// Elements of a cached row, decoded: its key or value of one head, in the scene's layer.
std::vector<double> cached_key(const KvLayout& kv, const void* block, int slot, int head);
std::vector<double> cached_value(const KvLayout& kv, const void* block, int slot, int head);

/// The definition of attention in double, from the bytes of the cache. [T, H D]
std::vector<double> reference_attention(const SceneBatch& batch);

/// The definition of attention mass: weights of the rows with these indices, summed over them, mean
/// over the heads. [P], P behind the last row's position
std::vector<double> reference_attention_mass(const SceneBatch& batch,
                                             const std::vector<int32_t>& rows);

/// The definition of the deviation of two cached rows. [3]
std::vector<double> reference_kv_deviation(const AttentionConfig& config, const KvPair& pair);

}  // namespace kvs::test
