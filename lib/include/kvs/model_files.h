#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/hash.h"
#include "kvs/model_config.h"
#include "kvs/random_rows.h"

namespace kvs {

/// The weights of a model. All but the first three exist once per layer.
enum class WeightKind {
  token_embedding,  ///< [vocab, hidden]
  output,           ///< [vocab, hidden]; absent where embeddings are tied
  final_norm,       ///< [1, hidden]
  attention_norm,   ///< [1, hidden]
  q,                ///< [heads * head_dim, hidden]
  k,                ///< [kv_heads * head_dim, hidden]
  v,                ///< [kv_heads * head_dim, hidden]
  q_bias,           ///< [1, heads * head_dim]; q_bias, k_bias, v_bias only with attention_bias
  k_bias,           ///< [1, kv_heads * head_dim]
  v_bias,           ///< [1, kv_heads * head_dim]
  q_norm,           ///< [1, head_dim]; q_norm, k_norm only with qk_norm
  k_norm,           ///< [1, head_dim]
  o,                ///< [hidden, heads * head_dim]
  o_bias,           ///< [1, hidden]; only with output_bias
  ffn_norm,         ///< [1, hidden]
  gate,             ///< [ffn, hidden]
  up,               ///< [ffn, hidden]
  down,             ///< [hidden, ffn]
};

/// In the order above.
KVS_API const std::vector<WeightKind>& all_weight_kinds();
KVS_API std::string_view weight_name(WeightKind kind);  ///< "attention_norm"
KVS_API bool is_per_layer(WeightKind kind);
/// Whether a model of this shape has such weights.
KVS_API bool has_weight(const ModelConfig& config, WeightKind kind);

/// A weight readable by rows in f32: a matrix whose row is one output, or a vector as one row.
/// Queries and keys (rows, biases and norms) are in half-split pairing, whatever the file holds.
struct WeightRows {
  int64_t rows = 0;
  int64_t cols = 0;
  /// Writes rows [first, first + count) to out [count, cols]. Safe to call from many threads;
  /// usable as long as the ModelFiles it came from.
  std::function<void(int64_t first, int64_t count, float* out)> read;
  std::optional<RandomRows> random{};  ///< what `read` gives, where it is generated
};

/// A model's shape and weights, wherever they come from: a GGUF file, a Hugging Face directory or
/// a generator. Opening checks that all weights are there in the shapes that the configuration asks
/// for; their data is read (from mapped files) only when asked for.
class KVS_API ModelFiles {
 public:
  virtual ~ModelFiles() = default;

  const ModelConfig& config() const { return config_; }
  /// What was opened: the GGUF file, the directory, or "random:SHAPE".
  const std::string& source() const { return source_; }

  /// `layer` counts from 0 and is ignored for weights that exist once.
  /// Throws Error(argument) for a weight or layer that this model does not have.
  virtual WeightRows get(WeightKind kind, int layer = 0) const = 0;

  /// Names this model among all others: a hash of the configuration, of every weight's stored type
  /// and shape, and of samples of its stored data, small tensors in full and of each large one 8
  /// pages of 4096 bytes spread over it. To hash every byte would double the time to start. Two
  /// models that differ only in bytes that are not sampled have the same fingerprint.
  virtual Hash128 fingerprint() const = 0;

 protected:
  ModelFiles(ModelConfig config, std::string source)
      : config_(std::move(config)), source_(std::move(source)) {}
  /// Throws as get() does.
  void check_request(WeightKind kind, int layer) const;

 private:
  ModelConfig config_;
  std::string source_;
};

/// Opens the model that `model` names:
/// - a GGUF file of architecture llama (Llama 2 and 3, Mistral, Yi, SmolLM2), qwen2 or qwen3;
/// - a directory with config.json of LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM or
///   Qwen3ForCausalLM and safetensors, in one file or several with an index;
/// - random:SHAPE, the shape of a public model (llama-3.1-8b, qwen2.5-7b, yi-1.5-9b, qwen2.5-0.5b,
///   smollm2-135m) with generated weights, the same on every machine.
/// Throws Error(io) where a file cannot be read, Error(format) where one is damaged or incomplete
/// or is of a kind that this program does not run (architecture, RoPE type, tensor type, adapters),
/// naming it, Error(argument) for an unknown SHAPE.
KVS_API std::unique_ptr<ModelFiles> open_model_files(std::string_view model);

}  // namespace kvs
