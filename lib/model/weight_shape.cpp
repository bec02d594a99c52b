#include "model/weight_shape.h"

#include <array>

namespace kvs {

WeightShape weight_shape(const ModelConfig& config, WeightKind kind) {
  const int64_t hidden = config.hidden;
  const int64_t queries = config.query_width();
  const int64_t keys = config.kv_width();
  switch (kind) {
    case WeightKind::token_embedding:
    case WeightKind::output:
      return {config.vocab, hidden};
    case WeightKind::q:
      return {queries, hidden};
    case WeightKind::k:
    case WeightKind::v:
      return {keys, hidden};
    case WeightKind::q_bias:
      return {1, queries};
    case WeightKind::k_bias:
    case WeightKind::v_bias:
      return {1, keys};
    case WeightKind::q_norm:
    case WeightKind::k_norm:
      return {1, config.head_dim};
    case WeightKind::o:
      return {hidden, queries};
    case WeightKind::gate:
    case WeightKind::up:
      return {config.ffn, hidden};
    case WeightKind::down:
      return {hidden, config.ffn};
    case WeightKind::final_norm:
    case WeightKind::attention_norm:
    case WeightKind::ffn_norm:
    case WeightKind::o_bias:
      break;
  }
  return {1, hidden};
}

const std::vector<WeightKind>& all_weight_kinds() {
  using enum WeightKind;
  static const std::vector<WeightKind> kinds{token_embedding,
                                             output,
                                             final_norm,
                                             attention_norm,
                                             q,
                                             k,
                                             v,
                                             q_bias,
                                             k_bias,
                                             v_bias,
                                             q_norm,
                                             k_norm,
                                             o,
                                             o_bias,
                                             ffn_norm,
                                             gate,
                                             up,
                                             down};
  return kinds;
}

std::string_view weight_name(WeightKind kind) {
  static constexpr std::array<std::string_view, 18> kNames{"token_embedding",
                                                           "output",
                                                           "final_norm",
                                                           "attention_norm",
                                                           "q",
                                                           "k",
                                                           "v",
                                                           "q_bias",
                                                           "k_bias",
                                                           "v_bias",
                                                           "q_norm",
                                                           "k_norm",
                                                           "o",
                                                           "o_bias",
                                                           "ffn_norm",
                                                           "gate",
                                                           "up",
                                                           "down"};
  return kNames.at(static_cast<size_t>(kind));
}

bool is_per_layer(WeightKind kind) {
  return kind > WeightKind::final_norm;
}

bool has_weight(const ModelConfig& config, WeightKind kind) {
  switch (kind) {
    case WeightKind::output:
      return !config.tied_embeddings;
    case WeightKind::q_bias:
    case WeightKind::k_bias:
    case WeightKind::v_bias:
      return config.attention_bias;
    case WeightKind::o_bias:
      return config.output_bias;
    case WeightKind::q_norm:
    case WeightKind::k_norm:
      return config.qk_norm;
    default:
      return true;
  }
}

}  // namespace kvs
