#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kvs/hash.h"
#include "model/added_tokens.h"
#include "model/normalizer.h"
#include "model/post_processor.h"
#include "model/pre_tokenizer.h"
#include "model/token_decoder.h"
#include "model/vocabulary.h"
#include "model/word_model.h"

namespace kvs {

/// What a Tokenizer consists of, whatever file it came from. Does not move: `model` refers to
/// `vocabulary`.
struct TokenizerParts {
  TokenizerParts() = default;
  TokenizerParts(const TokenizerParts&) = delete;
  TokenizerParts& operator=(const TokenizerParts&) = delete;

  std::string source;  ///< the file, for messages
  Vocabulary vocabulary;
  std::map<int32_t, AddedToken> added;  ///< by id; those of `vocabulary` that are matched, too
  AddedTokenMatcher raw_matcher;
  AddedTokenMatcher normalized_matcher;
  bool has_normalized_specials = false;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<WordModel> model;
  PostProcessor post_processor;
  TokenDecoder decoder;
  std::optional<int32_t> bos;
  std::optional<int32_t> eos;
  std::vector<int32_t> ends;  ///< what ends a generation, sorted
  std::string chat_template;
  Hasher hasher;  ///< of what has been read so far
  Hash128 hash;
};

/// Enters a token in `parts.added` and the matchers. The normalizer must be set.
void add_token(TokenizerParts& parts, AddedToken token);

/// The text of any token, or nothing.
std::optional<std::string_view> find_text(const TokenizerParts& parts, int32_t id);

/// What the decoder gets for a token, or nothing.
std::optional<std::string_view> find_decoder_text(const TokenizerParts& parts, int32_t id);

/// The id of any token, special ones included.
std::optional<int32_t> find_id(const TokenizerParts& parts, std::string_view text);

/// The last step of building: what ends a generation, and the hash.
void finish_parts(TokenizerParts& parts);

/// Adds all tokens of the vocabulary to the hash.
void hash_vocabulary(TokenizerParts& parts);

/// Adds a field with its length, so that consecutive fields cannot run into each other.
void hash_field(Hasher& hasher, std::string_view text);

}  // namespace kvs
