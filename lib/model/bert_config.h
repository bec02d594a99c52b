#pragma once

#include <filesystem>

namespace kvs {

/// Which vector stands for a text.
enum class Pooling {
  mean,  ///< of all tokens' last states
  cls,   ///< the first token's last state
};

/// The shape of an encoder of the BERT family, and how its states become an embedding.
struct BertConfig {
  int layers = 0;
  int hidden = 0;
  int heads = 0;  ///< divide hidden
  int ffn = 0;
  int vocab = 0;
  int types = 0;       ///< of tokens; only type 0 is used
  int positions = 0;   ///< rows of the table of positions
  int max_tokens = 0;  ///< of a text, special tokens included; longer ones are cut
  float norm_eps = 0;
  Pooling pooling = Pooling::mean;

  int head_dim() const { return hidden / heads; }
};

/// Reads config.json of a Hugging Face directory, and modules.json, the pooling's config.json and
/// sentence_bert_config.json where they are. Throws Error(format), naming file and field, for what
/// is computed otherwise than here: other model types, activations, modules, kinds of pooling.
/// Source: Devlin et al. 2019 (BERT); sentence-transformers' documentation, "Saving models".
BertConfig read_bert_config(const std::filesystem::path& directory);

}  // namespace kvs
