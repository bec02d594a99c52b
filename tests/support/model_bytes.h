#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kvs/json.h"
#include "support/gguf_builder.h"

namespace kvs::test {

/// The metadata of a model of one layer: hidden 4, 2 heads and 1 KV head of 2, ffn 6, vocab 5.
inline GgufBuilder tiny_gguf_metadata(std::string_view architecture = "llama") {
  const std::string prefix = std::string(architecture) + ".";
  GgufBuilder builder;
  builder.text("general.architecture", architecture).number(prefix + "block_count", 1);
  builder.number(prefix + "embedding_length", 4).number(prefix + "feed_forward_length", 6);
  builder.number(prefix + "attention.head_count", 2).number(prefix + "attention.head_count_kv", 1);
  builder.number(prefix + "context_length", 32);
  builder.real(prefix + "attention.layer_norm_rms_epsilon", 1e-5F);
  return builder;
}

/// f32 values that count up from `first`.
inline std::string counting(int count, float first = 0) {
  std::string bytes;
  for (int at = 0; at < count; ++at) bytes += raw(first + static_cast<float>(at));
  return bytes;
}

/// Adds the tensors of that model, in f32 and counting; extents innermost first.
inline GgufBuilder& add_tiny_tensors(GgufBuilder& builder) {
  const auto add = [&](std::string_view name, const std::vector<uint64_t>& extents) {
    int count = 1;
    for (const uint64_t extent : extents) count *= static_cast<int>(extent);
    builder.tensor(name, extents, 0, counting(count));
  };
  add("token_embd.weight", {4, 5});
  add("output_norm.weight", {4});
  add("blk.0.attn_norm.weight", {4});
  add("blk.0.attn_q.weight", {4, 4});
  add("blk.0.attn_k.weight", {4, 2});
  add("blk.0.attn_v.weight", {4, 2});
  add("blk.0.attn_output.weight", {4, 4});
  add("blk.0.ffn_norm.weight", {4});
  add("blk.0.ffn_gate.weight", {4, 6});
  add("blk.0.ffn_up.weight", {4, 6});
  add("blk.0.ffn_down.weight", {6, 4});
  return builder;
}

/// The bytes of a safetensors file with this header.
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return raw<uint64_t>(header.size()) + std::string(header) + std::string(data);
}

}  // namespace kvs::test
