#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/backend.h"
#include "kvs/embedder.h"
#include "kvs/export.h"
#include "kvs/tokenizer.h"

namespace kvs {

/// Embeddings of a second, small model: an encoder of the BERT family (MiniLM, bge, gte) with the
/// pooling that its directory asks for, normalised: what sentence-transformers gives. Longer texts
/// are cut to the model's limit, as there. Source: Reimers & Gurevych 2019 (Sentence-BERT).
class KVS_API BertEmbedder : public Embedder {
 public:
  /// `directory`: config.json, model.safetensors, tokenizer.json and, for sentence-transformers,
  /// modules.json and what it names. Throws Error(format), naming file and field, for what is no
  /// such model. The backend must outlive it.
  BertEmbedder(const std::filesystem::path& directory, Backend& backend);
  ~BertEmbedder() override;

  /// The tokenizer of the prompts that embed() is given, whose text it embeds, special tokens left
  /// out; it must outlive this. Without it embed() throws Error(argument).
  void read_prompts_with(const Tokenizer* tokenizer) { prompts_ = tokenizer; }

  std::string name() const override;  ///< "bert-" and 16 digits that name weights and rules
  int dim() const override;
  std::vector<float> embed(std::span<const int32_t> tokens) const override;
  std::vector<std::vector<float>> embed_all(
      std::span<const std::span<const int32_t>> prompts) const override;

  /// One vector per text, also for an empty one. Throws Error(argument) for invalid UTF-8.
  std::vector<std::vector<float>> embed_texts(std::span<const std::string> texts) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  const Tokenizer* prompts_ = nullptr;
};

}  // namespace kvs
