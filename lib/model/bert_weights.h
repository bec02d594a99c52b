#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/backend.h"
#include "kvs/hash.h"
#include "model/bert_config.h"
#include "model/safetensors.h"

namespace kvs {

/// The tensors of a BERT checkpoint, by the names that they have behind an optional "bert.".
/// Everything throws Error(format) where a tensor is missing or has another shape.
class BertTensors {
 public:
  /// Reads model.safetensors of the directory.
  explicit BertTensors(const std::filesystem::path& directory);

  /// [rows, cols] of a tensor, or [cols] where rows is 0; adds it to the fingerprint.
  const StoredTensor& get(const std::string& name, int64_t rows, int64_t cols);
  /// Of all tensors that were asked for.
  Hash128 fingerprint() const { return hasher_.digest(); }

 private:
  SafetensorsFile file_;
  std::string prefix_;
  Hasher hasher_;
};

/// Row `row` of a matrix of `cols` columns, added to out [cols].
void add_row(const StoredTensor& matrix, int64_t row, int64_t cols, float* out);

struct LayerNormParameters {
  Buffer weight, bias;
};

/// A matrix and its bias.
struct Linear {
  std::unique_ptr<Matrix> matrix;
  Buffer bias;
};

struct BertLayer {
  Linear qkv, attended;
  LayerNormParameters attention_norm;
  Linear wide, narrow;
  LayerNormParameters output_norm;
};

/// The weights of an encoder: those of the layers on a backend, in f32; tables of embeddings stay
/// in the file, because a text looks up few of their rows.
class BertWeights {
 public:
  /// The backend must outlive it.
  BertWeights(const std::filesystem::path& directory, const BertConfig& config, Backend& backend);

  /// Writes what enters the first layer norm: the sum of the embeddings of token, position and
  /// token type 0. out: [hidden].
  void embed(int32_t token, int32_t position, float* out) const;

  const LayerNormParameters& embedding_norm() const { return embedding_norm_; }
  const std::vector<BertLayer>& layers() const { return layers_; }
  Hash128 fingerprint() const { return tensors_.fingerprint(); }

 private:
  BertTensors tensors_;
  int64_t hidden_;
  const StoredTensor *words_, *positions_, *types_;
  LayerNormParameters embedding_norm_;
  std::vector<BertLayer> layers_;
};

}  // namespace kvs
