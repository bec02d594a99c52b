#pragma once

#include <cstdint>
#include <vector>

#include "support/attention_scene.h"

namespace kvs::test {

/// x [D] rotated by `position` in double, half-split pairing.
std::vector<double> rotated(const float* x, int64_t position,
                            const std::vector<double>& frequencies);

/// Elements of a cached row, decoded: its key or value of one head, in the scene's layer.
std::vector<double> cached_key(const KvLayout& kv, const void* block, int slot, int head);
std::vector<double> cached_value(const KvLayout& kv, const void* block, int slot, int head);

/// The definition of attention in double, from the bytes of the cache. [T, H D]
std::vector<double> reference_attention(const SceneBatch& batch);

}  // namespace kvs::test
