#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kvs/export.h"
#include "kvs/model_files.h"

namespace kvs {

/// Prompt embeddings without a second model: the mean of the language model's own token embeddings,
/// weighted by how rare a token is. The probability of a token is not known; it is taken from
/// Zipf's law over the id, because byte-pair vocabularies are numbered by falling frequency.
/// Source: Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", eq. 3
/// (without the removal of the common component).
class KVS_API StaticEmbedder {
 public:
  /// Reads rows of the embedding matrix when they are needed; `files` must outlive it.
  explicit StaticEmbedder(const ModelFiles& files);

  std::string name() const { return "static"; }
  int dim() const { return dim_; }

  /// [dim], unit length; all zero for no tokens. Throws Error(argument) where a token is outside
  /// the vocabulary.
  std::vector<float> embed(std::span<const int32_t> tokens) const;

 private:
  WeightRows table_;
  int dim_;
};

}  // namespace kvs
