#include "model/tokenizer_config.h"

#include "base/mapped_file.h"
#include "kvs/json.h"
#include "model/error_subject.h"

namespace kvs {
namespace {

std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  const MappedFile file(path);
  return std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
}

// Calls `body` with the file's object; does nothing where the file is absent.
template <typename Body>
void with_json(const std::filesystem::path& path, Body body) {
  const auto text = read_file(path);
  if (!text) return;
  with_subject(path.string(), [&] { body(Json::parse(*text, path.string())); });
}

// A token is written as its text or as an object that describes it.
void set_token(const TokenizerParts& parts, const Json& config, std::string_view key,
               std::optional<int32_t>& token) {
  const Json* field = config.find(key);
  if (token || !field || field->is_null()) return;
  token =
      find_id(parts, field->is_object() ? field->get("content").as_string() : field->as_string());
}

void add_id(const TokenizerParts& parts, const Json& json, std::vector<int32_t>& ids) {
  const int64_t id = json.as_int();
  if (id >= 0 && id <= INT32_MAX && find_text(parts, static_cast<int32_t>(id)))
    ids.push_back(static_cast<int32_t>(id));
}

// One id or a list of them.
std::vector<int32_t> ids_of(const TokenizerParts& parts, const Json& config, std::string_view key) {
  std::vector<int32_t> ids;
  const Json* field = config.find(key);
  if (!field || field->is_null()) return ids;
  if (!field->is_array()) {
    add_id(parts, *field, ids);
    return ids;
  }
  for (const Json& id : field->as_array()) add_id(parts, id, ids);
  return ids;
}

void set_ids(TokenizerParts& parts, const Json& config) {
  const std::vector<int32_t> bos = ids_of(parts, config, "bos_token_id");
  const std::vector<int32_t> eos = ids_of(parts, config, "eos_token_id");
  if (!parts.bos && !bos.empty()) parts.bos = bos.front();
  if (!parts.eos && !eos.empty()) parts.eos = eos.front();
  parts.ends.insert(parts.ends.end(), eos.begin(), eos.end());
}

// One template, or a list of {"name", "template"} of which "default" is meant.
void set_chat_template(TokenizerParts& parts, const Json& config) {
  const Json* field = config.find("chat_template");
  if (!parts.chat_template.empty() || !field || field->is_null()) return;
  if (!field->is_array()) {
    parts.chat_template = field->as_string();
    return;
  }
  for (const Json& entry : field->as_array())
    if (entry.get("name").as_string() == "default")
      parts.chat_template = entry.get("template").as_string();
}

}  // namespace

void read_tokenizer_config(TokenizerParts& parts, const std::filesystem::path& folder) {
  if (auto text = read_file(folder / "chat_template.jinja")) parts.chat_template = std::move(*text);
  with_json(folder / "tokenizer_config.json", [&parts](const Json& config) {
    set_token(parts, config, "bos_token", parts.bos);
    set_token(parts, config, "eos_token", parts.eos);
    set_chat_template(parts, config);
  });
  for (const char* name : {"generation_config.json", "config.json"})
    with_json(folder / name, [&parts](const Json& config) { set_ids(parts, config); });
}

}  // namespace kvs
