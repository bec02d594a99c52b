#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kvs/export.h"
#include "kvs/model_files.h"

namespace kvs {

/// Turns prompts, given as a language model's tokens, into vectors whose cosine says how alike they
/// are. Not thread-safe.
class KVS_API Embedder {
 public:
  virtual ~Embedder() = default;

  /// Equal names: vectors that may be compared. Archives and indexes keep it.
  virtual std::string name() const = 0;
  virtual int dim() const = 0;

  /// [dim], unit length, or all zero where there is nothing to embed. Throws Error(argument) where
  /// a token is outside the vocabulary.
  virtual std::vector<float> embed(std::span<const int32_t> tokens) const = 0;

  /// The same for several prompts, one vector each; faster where short prompts share a pass.
  virtual std::vector<std::vector<float>> embed_all(
      std::span<const std::span<const int32_t>> prompts) const;
};

/// Throws Error(mismatch), naming `source` and both embedders, where `source` holds vectors of
/// another one.
KVS_API void require_embedder(const Embedder& embedder, const std::string& found,
                              const std::string& source);

/// Prompt embeddings without a second model: the mean of the language model's own token embeddings,
/// weighted by how rare a token is. The probability of a token is not known; it is taken from
/// Zipf's law over the id, because byte-pair vocabularies are numbered by falling frequency.
/// Source: Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", eq. 3
/// (without the removal of the common component).
class KVS_API StaticEmbedder : public Embedder {
 public:
  /// Reads rows of the embedding matrix when they are needed; `files` must outlive it.
  explicit StaticEmbedder(const ModelFiles& files);

  std::string name() const override { return "static"; }
  int dim() const override { return dim_; }
  std::vector<float> embed(std::span<const int32_t> tokens) const override;

 private:
  WeightRows table_;
  int dim_;
};

}  // namespace kvs
