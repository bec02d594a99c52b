#include "model/bert_config.h"

#include <algorithm>
#include <string>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/json_fields.h"
#include "model/json_file.h"

namespace kvs {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxBertLayers = 256;
constexpr int kMaxBertWidth = 1 << 16;
constexpr int kMaxVocab = 1 << 24;
constexpr int kMaxPositions = 1 << 13;

void expect_word(const JsonFields& fields, std::string_view key, std::string_view expected,
                 std::string_view otherwise) {
  if (const std::string found = fields.string_or(key, otherwise); found != expected)
    fail(ErrorKind::format, "{}: '{}' is '{}', expected '{}'", fields.source(), key,
         printable(found), expected);
}

int bounded(const JsonFields& fields, std::string_view key, int most) {
  const int value = fields.get_int(key);
  if (value < 1 || value > most)
    fail(ErrorKind::format, "{}: '{}' is {}, expected 1 to {}", fields.source(), key, value, most);
  return value;
}

BertConfig read_shape(const JsonFields& fields) {
  expect_word(fields, "model_type", "bert", "");
  expect_word(fields, "hidden_act", "gelu", "gelu");
  expect_word(fields, "position_embedding_type", "absolute", "absolute");
  BertConfig config;
  config.layers = bounded(fields, "num_hidden_layers", kMaxBertLayers);
  config.hidden = bounded(fields, "hidden_size", kMaxBertWidth);
  config.heads = bounded(fields, "num_attention_heads", kMaxBertWidth);
  config.ffn = bounded(fields, "intermediate_size", kMaxBertWidth);
  config.vocab = bounded(fields, "vocab_size", kMaxVocab);
  config.types = fields.int_or("type_vocab_size", 2);
  config.positions = bounded(fields, "max_position_embeddings", kMaxPositions);
  config.max_tokens = config.positions;
  config.norm_eps = static_cast<float>(fields.number_or("layer_norm_eps", 1e-12));
  if (config.hidden % config.heads != 0)
    fail(ErrorKind::format, "{}: 'hidden_size' is {}, expected a multiple of the {} heads",
         fields.source(), config.hidden, config.heads);
  return config;
}

Pooling read_pooling(const fs::path& path) {
  const std::string source = path.string();
  const Json json = read_json_file(path);
  const JsonFields fields(json, source);
  std::vector<std::string> modes;
  for (const auto& [key, value] : json.as_object())
    if (key.starts_with("pooling_mode_") && value.is_bool() && value.as_bool())
      modes.push_back(key);
  if (modes == std::vector<std::string>{"pooling_mode_mean_tokens"}) return Pooling::mean;
  if (modes == std::vector<std::string>{"pooling_mode_cls_token"}) return Pooling::cls;
  fail(ErrorKind::format,
       "{}: pooling is '{}', expected pooling_mode_mean_tokens or pooling_mode_cls_token", source,
       printable(fmt::format("{}", fmt::join(modes, ", "))));
}

// The folder of a module comes with the model and must not lead out of its directory.
void expect_inside(const std::string& folder, const std::string& source) {
  if (folder == ".." || folder.find('/') != std::string::npos)
    fail(ErrorKind::format, "{}: 'path' is '{}', expected a folder beside it", source,
         printable(folder));
}

// What comes behind the encoder. Embeddings are always normalised, with and without the module.
void apply_modules(const fs::path& directory, BertConfig& config) {
  const fs::path path = directory / "modules.json";
  if (!is_there(path)) return;
  const std::string source = path.string();
  const Json json = read_json_file(path);
  if (!json.is_array())
    fail(ErrorKind::format, "{}: {}, expected an array", source, json.type_name());
  for (const Json& module : json.as_array()) {
    const JsonFields fields(module, source);
    const std::string& type = fields.get_string("type");
    if (type.ends_with(".Pooling")) {
      const std::string& folder = fields.get_string("path");
      expect_inside(folder, source);
      config.pooling = read_pooling(directory / folder / "config.json");
    } else if (!type.ends_with(".Transformer") && !type.ends_with(".Normalize")) {
      fail(ErrorKind::format,
           "{}: module '{}' is not supported, expected Transformer, Pooling or "
           "Normalize",
           source, printable(type));
    }
  }
}

void apply_limit(const fs::path& directory, BertConfig& config) {
  const fs::path path = directory / "sentence_bert_config.json";
  if (!is_there(path)) return;
  const std::string source = path.string();
  const Json json = read_json_file(path);
  const int most = JsonFields(json, source).int_or("max_seq_length", config.positions);
  if (most < 3)
    fail(ErrorKind::format, "{}: 'max_seq_length' is {}, expected at least 3", source, most);
  config.max_tokens = std::min(most, config.positions);
}

}  // namespace

BertConfig read_bert_config(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  const std::string source = path.string();
  const Json json = read_json_file(path);
  BertConfig config = read_shape(JsonFields(json, source));
  apply_modules(directory, config);
  apply_limit(directory, config);
  return config;
}

}  // namespace kvs
