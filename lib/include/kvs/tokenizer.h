#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/gguf.h"
#include "kvs/hash.h"
#include "kvs/text_range.h"

namespace kvs {

struct TokenizerParts;

/// How Tokenizer::encode treats special tokens (those that steer the model, as "<|im_end|>").
struct EncodeOptions {
  /// Put what the tokenizer adds around a text (BOS, [CLS] … [SEP]) around it.
  bool add_special = true;
  /// Recognise special tokens that are written out anywhere in the text. Off for users' text.
  bool parse_special = false;
  /// Where special tokens are recognised although `parse_special` is off: only those that lie
  /// wholly inside one of these ranges. Sorted, disjoint (see RenderedChat).
  std::span<const TextRange> markup{};
};

/// Text to tokens and back: byte-level BPE, SentencePiece BPE with byte fallback, WordPiece.
/// The ids equal those of the Hugging Face tokenizers library for the same tokenizer.json; a GGUF
/// vocabulary gives the ids of the tokenizer it was made from. Character classes are those of
/// Unicode 14. All const methods may be called from many threads at once.
class KVS_API Tokenizer {
 public:
  /// Reads the keys tokenizer.ggml.* (models "gpt2", "llama", "bert") and tokenizer.chat_template.
  /// Copies what it needs. Throws Error(format) where they are missing or make no sense, or where
  /// the model or its pre-tokenizer is not one that is known here, naming it.
  static std::unique_ptr<Tokenizer> from_gguf(const GgufFile& file);

  /// Reads a Hugging Face tokenizer.json. What that file does not say (BOS, EOS, chat template) is
  /// taken from tokenizer_config.json, chat_template.jinja, generation_config.json and config.json
  /// beside it, where they exist. Truncation and padding are left to the caller. Throws Error(io)
  /// where the file cannot be read, Error(format) as from_gguf.
  static std::unique_ptr<Tokenizer> from_json(const std::filesystem::path& tokenizer_json);

  explicit Tokenizer(std::unique_ptr<TokenizerParts> parts);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// The tokens of `text`. Takes time in proportion to the text, up to a logarithm. Throws
  /// Error(argument) where `text` is not UTF-8, naming the first bad byte, or exceeds 1 GiB.
  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;

  /// The text of `tokens`, always well-formed UTF-8: bytes that are not become U+FFFD, one for each
  /// maximal part. Ids that have no token give nothing. `skip_special` leaves special tokens out.
  std::string decode(std::span<const int32_t> tokens, bool skip_special = false) const;

  /// The bytes that the token stands for inside a text; often not whole characters. Empty for ids
  /// that have no token.
  std::string token_bytes(int32_t id) const;

  /// The token as the vocabulary writes it ("Ġhello", "▁hello", "##ing"), or nothing.
  std::optional<std::string> token_text(int32_t id) const;
  /// The id of the token that the vocabulary writes so, or nothing.
  std::optional<int32_t> find_token(std::string_view text) const;

  /// One more than the highest id. A model's output layer may have more rows.
  int32_t vocab_size() const;

  std::optional<int32_t> bos() const;
  std::optional<int32_t> eos() const;
  /// EOS, and whatever else ends an answer ("<|im_end|>", "<|eot_id|>", …).
  bool is_end_of_generation(int32_t id) const;
  bool is_special(int32_t id) const;

  /// The model's own Jinja template, or empty.
  const std::string& chat_template() const;

  /// Names everything that decides over tokens: the vocabulary, merges, special tokens and rules.
  /// Equal hashes mean equal tokens; the same vocabulary from two kinds of file may differ in it.
  Hash128 hash() const;

 private:
  friend class Detokenizer;
  std::unique_ptr<TokenizerParts> parts_;
};

/// Turns tokens into text as they are generated. Never returns part of a character, and what push()
/// and finish() return, joined, is what Tokenizer::decode returns for all tokens at once.
/// The tokenizer must outlive it. Not thread-safe.
class KVS_API Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special = true);
  ~Detokenizer();
  Detokenizer(Detokenizer&&) noexcept;
  Detokenizer& operator=(Detokenizer&&) noexcept;

  /// The text that became certain with this token; may be empty.
  std::string push(int32_t id);
  /// The rest; afterwards a new text may begin.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvs
