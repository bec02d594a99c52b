#pragma once

#include <cstddef>

#include "kvs/tensor.h"

namespace kvs {

/// Tokens in one block of the KV pool.
inline constexpr int kBlockTokens = 64;

/// Where keys and values lie in a block. A block holds all layers, one after another; a layer holds
/// the planes K[kv_heads][64][head_dim] and V[kv_heads][64][head_dim], then, for q8 only, the f32
/// scales of K [kv_heads][64] and of V [kv_heads][64]. Keys are stored rotated for their home
/// position, with half-split pairing (element e is paired with e + head_dim / 2).
struct KvLayout {
  int layers = 0;
  int kv_heads = 0;
  int head_dim = 0;
  DType type = DType::f16;

  size_t row_bytes() const { return static_cast<size_t>(head_dim) * element_bytes(type); }
  size_t head_bytes() const { return kBlockTokens * row_bytes(); }
  size_t plane_bytes() const { return kv_heads * head_bytes(); }
  size_t head_scale_bytes() const { return type == DType::q8 ? kBlockTokens * sizeof(float) : 0; }
  size_t layer_bytes() const { return 2 * (plane_bytes() + kv_heads * head_scale_bytes()); }
  size_t block_bytes() const { return layers * layer_bytes(); }
  size_t token_bytes() const { return block_bytes() / kBlockTokens; }

  /// Offsets in bytes from the start of a block to row 0 of one head (or to its first scale).
  size_t key_offset(int layer, int head) const {
    return layer * layer_bytes() + head * head_bytes();
  }
  size_t value_offset(int layer, int head) const { return key_offset(layer, head) + plane_bytes(); }
  size_t key_scale_offset(int layer, int head) const {
    return layer * layer_bytes() + 2 * plane_bytes() + head * head_scale_bytes();
  }
  size_t value_scale_offset(int layer, int head) const {
    return key_scale_offset(layer, head) + kv_heads * head_scale_bytes();
  }

  bool operator==(const KvLayout&) const = default;
};

}  // namespace kvs
