#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "kvs/backend.h"
#include "kvs/embedder.h"
#include "kvs/model_files.h"
#include "kvs/tokenizer.h"

namespace kvs {

/// Which embedder a tool's user wants, and what it needs.
struct EmbedderChoice {
  std::string name;                      ///< static, bert (the installed minilm) or a directory
  std::string model;                     ///< path of the language model whose prompts are embedded
  const Tokenizer* tokenizer = nullptr;  ///< of that model; null where it has none
  BackendOptions backend{};              ///< where an encoder computes
};

/// An embedder together with what it reads from and computes on. The choice's tokenizer must
/// outlive it.
class ChosenEmbedder {
 public:
  /// Throws what ModelFiles and BertEmbedder throw.
  explicit ChosenEmbedder(const EmbedderChoice& choice);

  const Embedder& operator*() const { return *embedder_; }
  const Embedder* operator->() const { return embedder_.get(); }

 private:
  std::unique_ptr<ModelFiles> files_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Embedder> embedder_;
};

/// Adds --embedder, whose default is the value of `name`.
void add_embedder_option(CLI::App& app, std::string& name);

/// For looking up in an index that holds vectors of `indexed`: opens the embedder of `choice`, for
/// "auto" that of the index. Throws Error(mismatch), naming `index` and both, where they differ.
std::unique_ptr<ChosenEmbedder> open_index_embedder(EmbedderChoice choice,
                                                    const std::string& indexed,
                                                    const std::string& index);

}  // namespace kvs
