#include <algorithm>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "kvs/error.h"
#include "kvs/json.h"
#include "kvs/tokenizer.h"
#include "model/bpe_merges.h"
#include "model/bpe_model.h"
#include "model/error_subject.h"
#include "model/json_fields.h"
#include "model/tokenizer_config.h"
#include "model/tokenizer_parts.h"
#include "model/word_piece.h"

namespace kvs {
namespace {

int32_t as_id(const Json& json) {
  const int64_t id = json.as_int();
  if (id < 0 || id > INT32_MAX) fail(ErrorKind::format, "token id {} is out of range", id);
  return static_cast<int32_t>(id);
}

std::vector<AddedToken> read_added(const Json& json, const std::string& source) {
  std::vector<AddedToken> tokens;
  const Json* list = json.find("added_tokens");
  if (!list || list->is_null()) return tokens;
  for (const Json& entry : list->as_array()) {
    const JsonFields fields(entry, source);
    AddedToken token;
    token.id = as_id(entry.get("id"));
    token.content = entry.get("content").as_string();
    token.single_word = fields.bool_or("single_word", false);
    token.lstrip = fields.bool_or("lstrip", false);
    token.rstrip = fields.bool_or("rstrip", false);
    token.special = fields.bool_or("special", false);
    token.normalized = fields.bool_or("normalized", !token.special);
    tokens.push_back(std::move(token));
  }
  return tokens;
}

void read_vocabulary(TokenizerParts& parts, const Json& model) {
  const Json::Object& vocabulary = model.get("vocab").as_object();
  size_t bytes = 0;
  for (const auto& [text, id] : vocabulary) bytes += text.size();
  parts.vocabulary.reserve(vocabulary.size(), bytes);
  for (const auto& [text, id] : vocabulary) parts.vocabulary.add(as_id(id), text);
  hash_vocabulary(parts);
}

int32_t unknown_id(const TokenizerParts& parts, const Json& model) {
  const std::string text = JsonFields(model, parts.source).string_or("unk_token", "");
  if (text.empty()) return Vocabulary::kAbsent;
  const int32_t found = parts.vocabulary.find_any(text);
  if (found == Vocabulary::kAbsent)
    fail(ErrorKind::format, "unk_token '{}' is not in the vocabulary", printable(text));
  return found;
}

void refuse(const Json& model, std::string_view key) {
  const Json* field = model.find(key);
  const bool is_off = !field || field->is_null() ||
                      (field->is_string() && field->as_string().empty()) ||
                      (field->is_number() && field->as_number() == 0);
  if (!is_off) fail(ErrorKind::format, "'{}' is not supported", key);
}

MergeTable read_merges(TokenizerParts& parts, const Json& model) {
  const Json::Array& list = model.get("merges").as_array();
  BpeMerges merges(parts.vocabulary, parts.hasher, list.size());
  for (const Json& entry : list) {
    if (!entry.is_array()) {
      merges.add(entry.as_string());
      continue;
    }
    const Json::Array& pair = entry.as_array();
    if (pair.size() != 2) fail(ErrorKind::format, "a merge is not a pair");
    merges.add(pair[0].as_string(), pair[1].as_string());
  }
  return merges.take();
}

std::unique_ptr<WordModel> read_bpe(TokenizerParts& parts, const Json& model) {
  for (const auto key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    refuse(model, key);
  const JsonFields fields(model, parts.source);
  BpeOptions options;
  options.unknown = unknown_id(parts, model);
  options.fuse_unknown = fields.bool_or("fuse_unk", false);
  options.byte_fallback = fields.bool_or("byte_fallback", false);
  options.ignore_merges = fields.bool_or("ignore_merges", false);
  for (const bool flag : {options.fuse_unknown, options.byte_fallback, options.ignore_merges})
    parts.hasher.add_value(static_cast<uint8_t>(flag));
  parts.hasher.add_value(options.unknown);
  return std::make_unique<BpeModel>(parts.vocabulary, read_merges(parts, model), options);
}

std::unique_ptr<WordModel> read_word_piece(TokenizerParts& parts, const Json& model) {
  WordPieceOptions options;
  options.prefix = JsonFields(model, parts.source).string_or("continuing_subword_prefix", "##");
  options.unknown = unknown_id(parts, model);
  if (options.unknown == Vocabulary::kAbsent) fail(ErrorKind::format, "WordPiece has no unk_token");
  if (const Json* longest = model.find("max_input_chars_per_word"))
    options.max_characters = static_cast<size_t>(std::max<int64_t>(longest->as_int(), 0));
  hash_field(parts.hasher, options.prefix);
  parts.hasher.add_value(options.unknown).add_value(static_cast<uint64_t>(options.max_characters));
  return std::make_unique<WordPiece>(parts.vocabulary, std::move(options));
}

// Files from before the field existed are BPE where they have merges.
std::string model_type(const TokenizerParts& parts, const Json& model) {
  const std::string type = JsonFields(model, parts.source).string_or("type", "");
  if (!type.empty()) return type;
  return model.find("merges") ? "BPE" : "WordPiece";
}

void read_model(TokenizerParts& parts, const Json& model) {
  const std::string type = model_type(parts, model);
  hash_field(parts.hasher, type);
  if (type == "BPE")
    parts.model = read_bpe(parts, model);
  else if (type == "WordPiece")
    parts.model = read_word_piece(parts, model);
  else
    fail(ErrorKind::format, "model type '{}' is not known, expected BPE or WordPiece",
         printable(type));
}

// Where a token is in the model's vocabulary, too, its id there counts, as in the reference.
std::vector<AddedToken> resolve_added(TokenizerParts& parts, const Json& json) {
  std::vector<AddedToken> added = read_added(json, parts.source);
  for (AddedToken& token : added) {
    const int32_t id = parts.vocabulary.find_any(token.content);
    if (id == Vocabulary::kAbsent) continue;
    token.id = id;
    if (token.special) parts.vocabulary.hide(id);
  }
  return added;
}

void read_parts(TokenizerParts& parts, const Json& json) {
  const auto part = [&json](std::string_view key) {
    const Json* field = json.find(key);
    return field ? *field : Json();
  };
  hash_field(parts.hasher, part("normalizer").dump());
  hash_field(parts.hasher, part("pre_tokenizer").dump());
  read_vocabulary(parts, json.get("model"));
  std::vector<AddedToken> added = resolve_added(parts, json);
  read_model(parts, json.get("model"));
  parts.normalizer = Normalizer(part("normalizer"), parts.source);
  parts.pre_tokenizer = PreTokenizer(part("pre_tokenizer"), parts.source);
  parts.post_processor = post_processor_from_json(part("post_processor"), parts.source);
  parts.decoder = TokenDecoder(part("decoder"), parts.source);
  for (AddedToken& token : added) add_token(parts, std::move(token));
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::from_json(const std::filesystem::path& tokenizer_json) {
  const MappedFile file(tokenizer_json);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  auto parts = std::make_unique<TokenizerParts>();
  parts->source = tokenizer_json.string();
  with_subject(parts->source, [&] { read_parts(*parts, Json::parse(text, parts->source)); });
  read_tokenizer_config(*parts, tokenizer_json.parent_path());
  finish_parts(*parts);
  return std::make_unique<Tokenizer>(std::move(parts));
}

}  // namespace kvs
