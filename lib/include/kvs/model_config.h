#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kvs/export.h"

namespace kvs {

/// Rotary position embedding: pair e of a head is rotated by position * inverse_frequencies[e].
/// Pairs are half-split: element e goes with element e + head_dim / 2.
/// Every kind here is shift-invariant, R(m)'R(n) = R(n - m), which reuse at other positions rests
/// on; kinds that are not (dynamic NTK, LongRoPE) and YaRN are refused when a model is opened.
/// Source: Su et al. 2021 (RoFormer), section 3.4.2.
struct Rope {
  enum class Scaling { none, linear, llama3 };

  double theta = 10000;
  Scaling scaling = Scaling::none;
  /// [head_dim / 2], radians per position, scaling applied.
  std::vector<double> inverse_frequencies;
};

/// The frequencies theta^(-2e / head_dim). `head_dim` is even.
KVS_API Rope make_rope(double theta, int head_dim);

/// Divides every frequency by `factor`. Source: Chen et al. 2023, "Extending Context Window of
/// Large Language Models via Positional Interpolation".
KVS_API void scale_linear(Rope& rope, double factor);

/// What Llama 3.1 and later apply to their frequencies: long wavelengths are divided by `factor`,
/// short ones stay, those between are interpolated. Source: Llama 3.1 model card and reference
/// code, "use_scaled_rope".
struct Llama3Scaling {
  double factor = 8;
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  double original_context = 8192;  ///< tokens
};
KVS_API void scale_llama3(Rope& rope, const Llama3Scaling& scaling);

/// The shape of a decoder-only transformer of the Llama family: RMSNorm before attention and before
/// a SwiGLU MLP, grouped-query attention with RoPE, no biases but those named here.
struct KVS_API ModelConfig {
  std::string architecture;  ///< "llama", "mistral", "qwen2" or "qwen3"
  std::string name;          ///< for people; may be empty
  int layers = 0;
  int hidden = 0;
  int heads = 0;  ///< query heads, a multiple of kv_heads
  int kv_heads = 0;
  int head_dim = 0;  ///< even; heads * head_dim need not be `hidden`
  int ffn = 0;       ///< inner width of the MLP
  int vocab = 0;
  int context = 0;  ///< tokens the model was made for
  float norm_eps = 0;
  Rope rope;
  bool attention_bias = false;   ///< queries, keys and values have a bias
  bool output_bias = false;      ///< the attention's output projection has one
  bool qk_norm = false;          ///< RMSNorm over each query and key head before the rotation
  bool tied_embeddings = false;  ///< the output matrix is the token embedding
  int sliding_window = 0;        ///< positions a row sees, its own included; 0: all of them

  int query_width() const { return heads * head_dim; }
  int kv_width() const { return kv_heads * head_dim; }
  /// Parameters in all weights.
  int64_t parameters() const;
};

/// Throws Error(format) "SOURCE: heads is 0, expected 1 to 65536" and the like where no model can
/// have this shape.
KVS_API void check_config(const ModelConfig& config, const std::string& source);

}  // namespace kvs
