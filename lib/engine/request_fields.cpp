#include "engine/request_fields.h"

#include <cmath>
#include <limits>

#include "kvs/error.h"

namespace kvs {
namespace {

constexpr size_t kMaxStops = 64;
constexpr size_t kShownBytes = 40;

// What was found, short enough for a message.
std::string shown(const Json& value) {
  if (value.is_array() || value.is_object() || value.is_null())
    return std::string(value.type_name());
  const std::string text = value.dump();
  return text.size() <= kShownBytes ? text : std::string(value.type_name());
}

// One JSON object and where it came from.
class Fields {
 public:
  Fields(const Json& json, std::string_view where) : json_(json), where_(where) {}

  // Null stands for absence, as many programs write it.
  const Json* find(std::string_view name) const {
    const Json* value = json_.find(name);
    return value && !value->is_null() ? value : nullptr;
  }

  [[noreturn]] void refuse(std::string_view name, std::string_view expected,
                           const Json& found) const {
    fail(ErrorKind::format, "{}: field '{}': expected {}, found {}", where_, name, expected,
         shown(found));
  }

  void read(std::string_view name, std::string& out) const {
    const Json* value = find(name);
    if (!value) return;
    if (!value->is_string()) refuse(name, "a string", *value);
    out = value->as_string();
  }

  template <typename Integer>
  void read_count(std::string_view name, Integer& out) const {
    const Json* value = find(name);
    if (!value) return;
    constexpr int64_t kMax = sizeof(Integer) < 8 ? std::numeric_limits<int32_t>::max()
                                                 : std::numeric_limits<int64_t>::max();
    if (!value->is_int() || value->as_int() < 0 || value->as_int() > kMax)
      refuse(name, fmt::format("an integer from 0 to {}", kMax), *value);
    out = static_cast<Integer>(value->as_int());
  }

  template <typename Test>
  void read_number(std::string_view name, std::string_view expected, Test allowed,
                   double& out) const {
    const Json* value = find(name);
    if (!value) return;
    if (!value->is_number() || !std::isfinite(value->as_number()) || !allowed(value->as_number()))
      refuse(name, expected, *value);
    out = value->as_number();
  }

  std::string_view where() const { return where_; }

 private:
  const Json& json_;
  std::string_view where_;
};

std::vector<int32_t> read_tokens(const Fields& fields, const Json& list) {
  constexpr const char* kExpected = "an array of token ids from 0 to 2147483647, not empty";
  if (!list.is_array() || list.as_array().empty()) fields.refuse("tokens", kExpected, list);
  std::vector<int32_t> tokens;
  tokens.reserve(list.as_array().size());
  for (const Json& id : list.as_array()) {
    if (!id.is_int() || id.as_int() < 0 || id.as_int() > std::numeric_limits<int32_t>::max())
      fields.refuse("tokens", kExpected, id);
    tokens.push_back(static_cast<int32_t>(id.as_int()));
  }
  return tokens;
}

std::vector<ChatMessage> read_messages(const Fields& fields, const Json& list) {
  constexpr const char* kExpected = "an array of objects with the strings 'role' and 'content'";
  if (!list.is_array() || list.as_array().empty()) fields.refuse("messages", kExpected, list);
  std::vector<ChatMessage> messages;
  for (const Json& turn : list.as_array()) {
    const Json* role = turn.find("role");
    const Json* content = turn.find("content");
    if (!role || !content || !role->is_string() || !content->is_string())
      fields.refuse("messages", kExpected, turn);
    messages.push_back({.role = role->as_string(), .content = content->as_string()});
  }
  return messages;
}

Prompt read_prompt(const Fields& fields) {
  const Json* prompt = fields.find("prompt");
  const Json* messages = fields.find("messages");
  const Json* tokens = fields.find("tokens");
  const int given = (prompt ? 1 : 0) + (messages ? 1 : 0) + (tokens ? 1 : 0);
  if (given != 1)
    fail(ErrorKind::format, "{}: expected one of 'prompt', 'messages' and 'tokens', found {}",
         fields.where(), given == 0 ? "none" : "more");
  if (messages) return read_messages(fields, *messages);
  if (tokens) return read_tokens(fields, *tokens);
  if (!prompt->is_string()) fields.refuse("prompt", "a string", *prompt);
  return prompt->as_string();
}

void read_id(const Fields& fields, std::string& out) {
  const Json* id = fields.find("id");
  if (!id) return;
  if (!id->is_string() && !id->is_int()) fields.refuse("id", "a string or an integer", *id);
  out = id->is_string() ? id->as_string() : std::to_string(id->as_int());
}

void read_stop(const Fields& fields, std::vector<std::string>& out) {
  const Json* stop = fields.find("stop");
  if (!stop) return;
  const std::string expected =
      fmt::format("a string or an array of at most {} strings, none empty", kMaxStops);
  const Json::Array list = stop->is_array() ? stop->as_array() : Json::Array{*stop};
  if (list.size() > kMaxStops) fields.refuse("stop", expected, *stop);
  out.clear();
  for (const Json& text : list) {
    if (!text.is_string() || text.as_string().empty()) fields.refuse("stop", expected, text);
    out.push_back(text.as_string());
  }
}

void read_sampling(const Fields& fields, SamplingOptions& out) {
  const auto at_least_0 = [](double x) { return x >= 0; };
  fields.read_number("temperature", "a number of at least 0", at_least_0, out.temperature);
  fields.read_number(
      "top_p", "a number in (0, 1]", [](double x) { return x > 0 && x <= 1; }, out.top_p);
  fields.read_number(
      "min_p", "a number in [0, 1]", [](double x) { return x >= 0 && x <= 1; }, out.min_p);
  fields.read_number(
      "repetition_penalty", "a number above 0", [](double x) { return x > 0; },
      out.repetition_penalty);
  fields.read_count("top_k", out.top_k);
  fields.read_count("seed", out.seed);
}

}  // namespace

void read_fields(const Json& json, std::string_view where, Request& request) {
  const Fields fields(json, where);
  request.prompt = read_prompt(fields);
  read_id(fields, request.id);
  read_stop(fields, request.stop);
  read_sampling(fields, request.sampling);
  fields.read("tenant", request.tenant);
  fields.read_count("max_tokens", request.max_tokens);
  fields.read_number(
      "arrival_ms", "a number of at least 0", [](double x) { return x >= 0; }, request.arrival_ms);
  if (fields.find("reference")) fields.read("reference", request.reference.emplace());
}

}  // namespace kvs
