#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "kvs/fuzzy.h"
#include "kvs/token_embeddings.h"

namespace kvs {

/// Adds --fuzzy, the least cosine of tokens of which one may stand for the other; 0: none may.
void add_fuzzy_option(CLI::App& app, double& threshold);

/// The tokens of a model as --fuzzy compares them.
class FuzzyTokens {
 public:
  /// Opens the model, a path or a name, where the threshold is not 0. Throws what open_model_files
  /// throws, and Error(argument) where no model is named.
  FuzzyTokens(double threshold, const std::string& model);

  /// Nothing where the threshold is 0. Must not outlive this.
  TokenCosines cosines() const;

 private:
  std::optional<TokenEmbeddings> embeddings_;
};

}  // namespace kvs
