#include "model/post_processor.h"

#include <fmt/format.h>

#include <string>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/error_subject.h"

namespace kvs {
namespace {

int32_t id_of(const Json& json, const std::string& subject) {
  const int64_t id = json.as_int();
  if (id < 0 || id > INT32_MAX)
    fail(ErrorKind::format, "{}: token id {} is out of range", subject, id);
  return static_cast<int32_t>(id);
}

PostProcessor from_template(const Json& json, const std::string& subject) {
  PostProcessor tokens;
  bool behind_text = false;
  for (const Json& part : json.get("single").as_array()) {
    if (part.find("Sequence")) {
      if (behind_text)
        fail(ErrorKind::format, "{}: the template repeats the text, which is not supported",
             subject);
      behind_text = true;
      continue;
    }
    const std::string& name = part.get("SpecialToken").get("id").as_string();
    const Json& ids = json.get("special_tokens").get(name).get("ids");
    for (const Json& id : ids.as_array())
      (behind_text ? tokens.suffix : tokens.prefix).push_back(id_of(id, subject));
  }
  return tokens;
}

// "cls": ["[CLS]", 101]
int32_t pair_id(const Json& json, std::string_view key, const std::string& subject) {
  const Json::Array& pair = json.get(key).as_array();
  if (pair.size() != 2) fail(ErrorKind::format, "{}: '{}' is not a pair", subject, key);
  return id_of(pair[1], subject);
}

PostProcessor from_json(const Json& json, const std::string& subject);

PostProcessor from_sequence(const Json& json, const std::string& subject) {
  PostProcessor all;
  for (const Json& part : json.get("processors").as_array()) {
    const PostProcessor outer = from_json(part, subject);
    all.prefix.insert(all.prefix.begin(), outer.prefix.begin(), outer.prefix.end());
    all.suffix.insert(all.suffix.end(), outer.suffix.begin(), outer.suffix.end());
  }
  return all;
}

PostProcessor from_json(const Json& json, const std::string& subject) {
  if (json.is_null()) return {};
  const std::string& type = json.get("type").as_string();
  if (type == "ByteLevel") return {};  // only moves offsets
  if (type == "TemplateProcessing") return from_template(json, subject);
  if (type == "BertProcessing" || type == "RobertaProcessing")
    return {{pair_id(json, "cls", subject)}, {pair_id(json, "sep", subject)}};
  if (type == "Sequence") return from_sequence(json, subject);
  fail(ErrorKind::format, "{}: type '{}' is not known", subject, printable(type));
}

}  // namespace

PostProcessor post_processor_from_json(const Json& json, std::string_view source) {
  const std::string subject = fmt::format("{}: post-processor", source);
  PostProcessor tokens;
  with_subject(subject, [&] { tokens = from_json(json, subject); });
  return tokens;
}

}  // namespace kvs
