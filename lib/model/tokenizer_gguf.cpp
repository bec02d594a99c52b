#include <fmt/format.h>

#include <algorithm>

#include "base/printable.h"
#include "base/utf8.h"
#include "kvs/error.h"
#include "kvs/tokenizer.h"
#include "model/bpe_merges.h"
#include "model/bpe_model.h"
#include "model/error_subject.h"
#include "model/gguf_pre_tokenizer.h"
#include "model/metaspace.h"
#include "model/score_merges.h"
#include "model/tokenizer_parts.h"
#include "model/word_piece.h"

namespace kvs {
namespace {

enum class TokenType : int64_t { normal = 1, unknown = 2, control = 3, user_defined = 4, byte = 6 };

// The vocabulary's arrays, checked against each other.
class GgufVocabulary {
 public:
  explicit GgufVocabulary(const GgufFile& file)
      : texts_(file.string_array("tokenizer.ggml.tokens")),
        types_(file.int_array("tokenizer.ggml.token_type")) {
    if (texts_.empty()) fail(ErrorKind::format, "tokenizer.ggml.tokens is missing or empty");
    if (!types_.empty() && types_.size() != texts_.size())
      fail(ErrorKind::format, "tokenizer.ggml.token_type has {} elements, expected {}",
           types_.size(), texts_.size());
    for (size_t id = 0; id < texts_.size(); ++id)
      if (find_invalid_utf8(texts_[id])) fail(ErrorKind::format, "token {} is not valid UTF-8", id);
  }

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  std::string_view text(int32_t id) const { return texts_[id]; }
  bool is(int32_t id, TokenType type) const {
    return !types_.empty() && types_[id] == static_cast<int64_t>(type);
  }
  bool is_special(int32_t id) const {
    return is(id, TokenType::control) || is(id, TokenType::unknown);
  }

 private:
  std::vector<std::string_view> texts_;
  std::vector<int64_t> types_;
};

std::optional<int32_t> find_token_id(const GgufFile& file, std::string_view name, int32_t size) {
  const auto id = file.find_int(fmt::format("tokenizer.ggml.{}_token_id", name));
  if (!id) return std::nullopt;
  if (*id < 0 || *id >= size)
    fail(ErrorKind::format, "tokenizer.ggml.{}_token_id is {}, expected 0 to {}", name, *id,
         size - 1);
  return static_cast<int32_t>(*id);
}

void fill_vocabulary(TokenizerParts& parts, const GgufVocabulary& tokens) {
  size_t bytes = 0;
  for (int32_t id = 0; id < tokens.size(); ++id) bytes += tokens.text(id).size();
  parts.vocabulary.reserve(tokens.size(), bytes);
  for (int32_t id = 0; id < tokens.size(); ++id) parts.vocabulary.add(id, tokens.text(id));
  hash_vocabulary(parts);
  for (int32_t id = 0; id < tokens.size(); ++id)
    if (tokens.is_special(id)) parts.vocabulary.hide(id);
}

void set_pipeline(TokenizerParts& parts, const Json& normalizer, const Json& pre_tokenizer) {
  hash_field(parts.hasher, normalizer.dump());
  hash_field(parts.hasher, pre_tokenizer.dump());
  parts.normalizer = Normalizer(normalizer, parts.source);
  parts.pre_tokenizer = PreTokenizer(pre_tokenizer, parts.source);
}

Json parse(std::string_view text) {
  return Json::parse(text, "a built-in table");
}

// BOS and EOS around a text, where the file or the model's kind asks for them.
struct AroundDefaults {
  bool bos = false;
  bool eos = false;
};

void set_post_processor(TokenizerParts& parts, const GgufFile& file, AroundDefaults defaults) {
  const bool add_bos = file.find_bool("tokenizer.ggml.add_bos_token").value_or(defaults.bos);
  const bool add_eos = file.find_bool("tokenizer.ggml.add_eos_token").value_or(defaults.eos);
  if (add_bos && parts.bos) parts.post_processor.prefix = {*parts.bos};
  if (add_eos && parts.eos) parts.post_processor.suffix = {*parts.eos};
}

void hash_bpe(TokenizerParts& parts, const BpeOptions& options) {
  hash_field(parts.hasher, "BPE");
  for (const bool flag : {options.fuse_unknown, options.byte_fallback, options.ignore_merges})
    parts.hasher.add_value(static_cast<uint8_t>(flag));
  parts.hasher.add_value(options.unknown);
}

void read_gpt2(TokenizerParts& parts, const GgufFile& file, const GgufVocabulary& tokens) {
  const auto name = file.find_string("tokenizer.ggml.pre").value_or("default");
  const GgufPreTokenizer known = gguf_pre_tokenizer(name, parts.source);
  set_pipeline(parts, known.normalizer, known.pre_tokenizer);
  fill_vocabulary(parts, tokens);
  BpeOptions options;
  options.ignore_merges = known.ignore_merges;
  hash_bpe(parts, options);
  const auto list = file.string_array("tokenizer.ggml.merges");
  BpeMerges merges(parts.vocabulary, parts.hasher, list.size());
  for (const std::string_view pair : list) merges.add(pair);
  parts.model = std::make_unique<BpeModel>(parts.vocabulary, merges.take(), options);
  parts.decoder = TokenDecoder(parse(R"({"type": "ByteLevel"})"), parts.source);
  set_post_processor(parts, file, {known.add_bos, false});
}

void read_llama(TokenizerParts& parts, const GgufFile& file, const GgufVocabulary& tokens) {
  const bool prefix = file.find_bool("tokenizer.ggml.add_space_prefix").value_or(true);
  const std::string spaces = R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})";
  const std::string prepend = R"({"type": "Prepend", "prepend": "▁"})";
  set_pipeline(parts,
               parse(R"({"type": "Sequence", "normalizers": [)" + (prefix ? prepend + "," : "") +
                     spaces + "]}"),
               Json());
  fill_vocabulary(parts, tokens);
  const auto scores = file.float_array("tokenizer.ggml.scores");
  if (scores.size() != static_cast<size_t>(tokens.size()))
    fail(ErrorKind::format, "tokenizer.ggml.scores has {} elements, expected {}", scores.size(),
         tokens.size());
  BpeOptions options;
  options.byte_fallback = true;
  options.fuse_unknown = true;
  options.unknown = find_token_id(file, "unknown", tokens.size()).value_or(Vocabulary::kAbsent);
  hash_bpe(parts, options);
  std::vector<bool> is_result(tokens.size());
  for (int32_t id = 0; id < tokens.size(); ++id)
    is_result[id] = !tokens.is_special(id) && !tokens.is(id, TokenType::byte) &&
                    !tokens.is(id, TokenType::user_defined);
  parts.hasher.add(std::span<const float>(scores));
  parts.model = std::make_unique<BpeModel>(
      parts.vocabulary, score_merges(parts.vocabulary, scores, is_result), options);
  const std::string strip =
      prefix ? R"(, {"type": "Strip", "content": " ", "start": 1, "stop": 0})" : "";
  parts.decoder = TokenDecoder(parse(R"({"type": "Sequence", "decoders": [
                 {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                 {"type": "ByteFallback"}, {"type": "Fuse"})" +
                                     strip + "]}"),
                               parts.source);
  set_post_processor(parts, file, {true, false});
}

// GGUF marks the tokens that begin a word with U+2581 where BERT marks those that continue one.
std::string word_piece_text(const GgufVocabulary& tokens, int32_t id) {
  const std::string_view text = tokens.text(id);
  if (text.starts_with(kMetaspace)) return std::string(text.substr(kMetaspace.size()));
  const bool whole = tokens.is_special(id) || tokens.is(id, TokenType::user_defined) ||
                     (text.size() > 2 && text.front() == '[' && text.back() == ']');
  return whole ? std::string(text) : "##" + std::string(text);
}

void read_bert(TokenizerParts& parts, const GgufFile& file, const GgufVocabulary& tokens) {
  set_pipeline(parts,
               parse(R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,)"
                     R"("strip_accents":null,"lowercase":true})"),
               parse(R"({"type":"BertPreTokenizer"})"));
  for (int32_t id = 0; id < tokens.size(); ++id)
    parts.vocabulary.add(id, word_piece_text(tokens, id));
  hash_vocabulary(parts);
  WordPieceOptions options;
  options.unknown =
      find_token_id(file, "unknown", tokens.size()).value_or(parts.vocabulary.find("[UNK]"));
  if (options.unknown == Vocabulary::kAbsent)
    fail(ErrorKind::format, "tokenizer.ggml.unknown_token_id is missing");
  for (int32_t id = 0; id < tokens.size(); ++id)
    if (tokens.is_special(id)) parts.vocabulary.hide(id);
  hash_field(parts.hasher, "WordPiece");
  hash_field(parts.hasher, options.prefix);
  parts.hasher.add_value(options.unknown).add_value(static_cast<uint64_t>(options.max_characters));
  parts.model = std::make_unique<WordPiece>(parts.vocabulary, options);
  parts.decoder = TokenDecoder(parse(R"({"type": "WordPiece", "prefix": "##", "cleanup": true})"),
                               parts.source);
  const auto cls = find_token_id(file, "cls", tokens.size());
  const auto separator = find_token_id(file, "seperator", tokens.size());
  if (!parts.bos) parts.bos = cls;
  if (separator) parts.eos = separator;
  set_post_processor(parts, file, {true, true});
}

void read_model(TokenizerParts& parts, const GgufFile& file, const GgufVocabulary& tokens) {
  const std::string_view model = file.get_string("tokenizer.ggml.model");
  if (model == "gpt2")
    read_gpt2(parts, file, tokens);
  else if (model == "llama")
    read_llama(parts, file, tokens);
  else if (model == "bert")
    read_bert(parts, file, tokens);
  else
    fail(ErrorKind::format, "tokenizer model '{}' is not known, expected gpt2, llama or bert",
         printable(model));
}

void read_parts(TokenizerParts& parts, const GgufFile& file) {
  const GgufVocabulary tokens(file);
  parts.bos = find_token_id(file, "bos", tokens.size());
  parts.eos = find_token_id(file, "eos", tokens.size());
  read_model(parts, file, tokens);
  for (int32_t id = 0; id < tokens.size(); ++id) {
    if (!tokens.is_special(id) && !tokens.is(id, TokenType::user_defined)) continue;
    AddedToken token;
    token.id = id;
    token.content = parts.vocabulary.text(id);
    token.special = tokens.is_special(id);
    add_token(parts, std::move(token));
  }
  for (const char* name : {"eot", "eom"})
    if (const auto id = find_token_id(file, name, tokens.size())) parts.ends.push_back(*id);
  parts.chat_template = file.find_string("tokenizer.chat_template").value_or("");
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  auto parts = std::make_unique<TokenizerParts>();
  parts->source = file.path();
  with_subject(parts->source, [&] { read_parts(*parts, file); });
  finish_parts(*parts);
  return std::make_unique<Tokenizer>(std::move(parts));
}

}  // namespace kvs
