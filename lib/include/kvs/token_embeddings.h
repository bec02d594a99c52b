#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kvs/export.h"
#include "kvs/model_files.h"

namespace kvs {

/// How alike a language model's tokens are to the model: its own token embeddings. Not thread-safe.
class KVS_API TokenEmbeddings {
 public:
  /// Rows of the embedding matrix are read when they are needed.
  explicit TokenEmbeddings(std::unique_ptr<const ModelFiles> files);

  /// Cosine of each of `rows` with each of `columns`, [rows, columns], row-major; 0 where an
  /// embedding is all zero. Throws Error(argument) where a token is outside the vocabulary.
  std::vector<float> cosines(std::span<const int32_t> rows, std::span<const int32_t> columns) const;

 private:
  // [tokens, dim], each of unit length or zero.
  std::vector<float> directions(std::span<const int32_t> tokens) const;

  std::unique_ptr<const ModelFiles> files_;
  WeightRows table_;
};

}  // namespace kvs
