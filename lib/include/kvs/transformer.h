#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kvs/backend.h"
#include "kvs/batch.h"
#include "kvs/export.h"
#include "kvs/model_config.h"

namespace kvs {

class ModelFiles;

/// The rows of one forward pass: their tokens, where they stand, and which of them need logits.
struct Batch {
  std::vector<int32_t> tokens;       ///< [T], one per layout row
  BatchLayout layout;                ///< T rows
  std::vector<int32_t> logits_rows;  ///< indices into the rows, at most kMaxLogitsRows

  /// From `first_layer` on, `sequences` take the place of the layout's.
  struct LayerRange {
    int first_layer;
    std::vector<BatchSequence> sequences;
  };
  std::vector<LayerRange> later;  ///< ascending by layer; usually none
};

/// Layers [first, end).
struct LayerSpan {
  int first, end;
};

/// A decoder-only transformer on a backend: weights and the forward pass, written once for all
/// devices. Holds no sequence state: that is in the views. Families: Llama 2/3, Mistral, Qwen2/2.5,
/// Qwen3. Source: Touvron et al. 2023 (Llama 2), section 2.2; Qwen3 technical report 2025
/// (QK-Norm).
class KVS_API Transformer {
 public:
  /// Rows in one forward pass at most.
  static constexpr int kMaxRows = 512;
  static constexpr int kMaxLogitsRows = 64;

  /// Reads and packs all weights; called with the bytes done and in all, for progress.
  /// The backend must outlive the transformer; `files` may go. Throws what ModelFiles throws.
  using Progress = std::function<void(int64_t done, int64_t total)>;
  Transformer(Backend& backend, const ModelFiles& files, Compute compute,
              const Progress& progress = {});
  ~Transformer();

  const ModelConfig& config() const;
  Backend& backend() const;

  /// How this model's KV lies in a pool of the given type.
  KvLayout kv_layout(DType type) const;

  /// Bytes of weights on the backend, of them the embedding matrix, and parameters used per token
  /// without the embedding look-up
  /// and the output layer, and those of the output layer.
  size_t weight_bytes() const;
  size_t embedding_bytes() const;
  int64_t layer_parameters() const;
  int64_t output_parameters() const;

  /// Is called after each layer's attention.
  using Observer = std::function<void(int layer, const Tensor& qkv, const BatchPlan& plan)>;
  /// The same where a batch may go through the layers in parts: `first` is the row of the batch
  /// that is row 0 of `qkv` and of the plan.
  using BatchObserver =
      std::function<void(int layer, int64_t first, const Tensor& qkv, const BatchPlan& plan)>;

  /// Runs the batch through all layers: writes each row's keys and values to its slot, then lets it
  /// attend. `logits` becomes [logits_rows.size(), vocab]. Throws Error(argument) where the batch
  /// is larger than kMaxRows or a token is outside the vocabulary.
  void forward(const Batch& batch, DType kv_type, std::vector<float>& logits,
               const BatchObserver& observer = {});

  // The parts of a forward pass, for those that do not want all logits.

  /// forward() up to the logits, which stay on the backend. `rows_at_once`: how many rows go
  /// through the layers together; fewer take less memory and more time.
  void run(const Batch& batch, DType kv_type, const BatchObserver& observer = {},
           int64_t rows_at_once = kMaxRows);
  /// Those of the last run(): all of its `rows`, [rows, vocab].
  void download_logits(int64_t rows, std::vector<float>& logits);
  /// Backend::top_logits() of them.
  void top_logits(int64_t rows, std::span<TopLogit> top, std::span<const LogitPlace> apart,
                  std::span<float> values);

  // For those that run it in stages (kvs/forward_pass.h).

  /// What the backend must know for a cache of the given type.
  AttentionConfig attention_config(DType kv_type) const;

  /// x: [T, hidden], any T. Throws Error(argument) where a token is outside the vocabulary.
  void embed(Tensor x, std::span<const int32_t> tokens);

  /// Runs the residual stream of up to kMaxRows rows through some layers. x: [T, hidden], changed.
  void run_layers(Tensor x, const BatchLayout& layout, LayerSpan layers, DType kv_type,
                  const Observer& observer);

  /// Logits of some rows behind the last layer. x: [T, hidden]; logits: [rows.size(), vocab].
  void read_logits(Tensor x, std::span<const int32_t> rows, std::vector<float>& logits);

 private:
  struct Weights;
  struct Activations;
  void run_rows(const Batch& batch, int64_t first, int64_t count, DType kv_type,
                const BatchObserver& observer);
  void compute_logits(Tensor x, std::span<const int32_t> rows);
  void run_layer(int layer, const BatchPlan& plan, const Tensor& x, const Observer& observer);

  Backend& backend_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Activations> activations_;
};

}  // namespace kvs
