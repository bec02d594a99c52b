#include "serve/generation_request.h"

#include <algorithm>
#include <charconv>
#include <random>

#include "serve/refusal.h"

namespace kvs {
namespace {

constexpr int kMaxChoices = 64;
constexpr int kMaxRivals = 20;
constexpr size_t kMaxStops = 16;
constexpr size_t kMaxStopBytes = 1024;  // each is looked for behind every token
constexpr size_t kMaxBiases = 4096;
constexpr size_t kMaxSaltBytes = 256;
constexpr int64_t kMaxTokens = 1 << 20;

[[noreturn]] void unsupported(const char* field, std::string_view what) {
  refuse_field(field, "unsupported", "'{}': {} not supported", field, what);
}

bool is_empty_list(const Json& value) {
  return value.is_array() && value.as_array().empty();
}

void refuse_unsupported(const BodyFields& body) {
  for (const char* field : {"tools", "functions"})
    if (const Json* value = body.find(field); value && !is_empty_list(*value))
      unsupported(field, "tools are");
  for (const char* field : {"audio", "web_search_options"})
    if (body.find(field)) unsupported(field, "this is");
  const Json* format = body.find("response_format");
  const Json* type = format ? format->find("type") : nullptr;
  if (format && !(type && type->is_string()))
    BodyFields::refuse("response_format", "an object with a 'type'", *format);
  if (type && type->as_string() != "text")
    unsupported("response_format", "types other than 'text' are");
  const Json* modalities = body.find("modalities");
  if (modalities && modalities->dump() != R"(["text"])")
    unsupported("modalities", "modalities other than text are");
}

int32_t token_of(const std::string& key) {
  int32_t token = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
  return error == std::errc() && end == key.data() + key.size() ? token : -1;
}

void read_biases(const BodyFields& body, int32_t vocab, SamplingOptions& out) {
  const Json* biases = body.find("logit_bias");
  if (!biases) return;
  const std::string expected = fmt::format(
      "an object of at most {} token ids below {} and numbers from -100 to 100", kMaxBiases, vocab);
  if (!biases->is_object() || biases->as_object().size() > kMaxBiases)
    BodyFields::refuse("logit_bias", expected, *biases);
  for (const auto& [key, value] : biases->as_object()) {
    const int32_t token = token_of(key);
    const double bias = value.is_number() ? value.as_number() : 1000;
    if (token < 0 || token >= vocab || !(bias >= -100 && bias <= 100))
      BodyFields::refuse("logit_bias", expected, token < 0 || token >= vocab ? Json(key) : value);
    out.logit_bias.emplace_back(token, bias);
  }
}

std::vector<std::string> read_stops(const BodyFields& body) {
  std::vector<std::string> stops = body.texts("stop", kMaxStops);
  for (const std::string& stop : stops)
    if (stop.size() > kMaxStopBytes)
      refuse_field("stop", "too_large", "'stop': a text has {} bytes: expected at most {}",
                   stop.size(), kMaxStopBytes);
  return stops;
}

SamplingOptions read_sampling(const BodyFields& body, const GenerationDefaults& defaults) {
  SamplingOptions out = defaults.sampling;
  out.temperature = body.number("temperature", 0, 2).value_or(out.temperature);
  out.top_p = body.number("top_p", 0, 1).value_or(out.top_p);
  out.min_p = body.number("min_p", 0, 1).value_or(out.min_p);
  out.top_k = static_cast<int>(std::max<int64_t>(
      0, body.integer("top_k", -1, 1 << 30).value_or(out.top_k)));  // -1, too, is all of them
  out.repetition_penalty =
      body.number("repetition_penalty", 0.01, 100).value_or(out.repetition_penalty);
  out.presence_penalty = body.number("presence_penalty", -2, 2).value_or(out.presence_penalty);
  out.frequency_penalty = body.number("frequency_penalty", -2, 2).value_or(out.frequency_penalty);
  read_biases(body, defaults.vocab, out);
  const auto seed = body.integer("seed", std::numeric_limits<int64_t>::min(),
                                 std::numeric_limits<int64_t>::max());
  if (seed)
    out.seed = static_cast<uint64_t>(*seed);
  else if (out.seed == 0)
    out.seed = std::random_device()();
  return out;
}

// What chats and completions have in common.
GenerationRequest read_common(const BodyFields& body, const GenerationDefaults& defaults) {
  refuse_unsupported(body);
  GenerationRequest request;
  request.model = body.text("model").value_or("");
  request.n = static_cast<int>(body.integer("n", 1, kMaxChoices).value_or(1));
  request.stream = body.boolean("stream").value_or(false);
  if (const Json* options = body.find("stream_options")) {
    if (!options->is_object()) BodyFields::refuse("stream_options", "an object", *options);
    request.include_usage = BodyFields(*options).boolean("include_usage").value_or(false);
  }
  const auto max_tokens = body.integer("max_tokens", 0, kMaxTokens);
  request.max_tokens = body.integer("max_completion_tokens", 0, kMaxTokens)
                           .value_or(max_tokens.value_or(defaults.max_tokens));
  request.sampling = read_sampling(body, defaults);
  request.stop = read_stops(body);
  request.cache_salt = body.text("cache_salt").value_or("");
  if (body.find("cache_salt") &&
      (request.cache_salt.empty() || request.cache_salt.size() > kMaxSaltBytes))
    BodyFields::refuse("cache_salt", fmt::format("1 to {} bytes", kMaxSaltBytes),
                       *body.find("cache_salt"));
  request.cache_prompt = body.boolean("cache_prompt").value_or(true);
  request.ignore_eos = body.boolean("ignore_eos").value_or(false);
  return request;
}

std::string part_text(const Json& part) {
  const Json* type = part.find("type");
  if (!type || !type->is_string()) BodyFields::refuse("messages", "parts with a 'type'", part);
  if (type->as_string() != "text")
    refuse_field("messages", "unsupported", "'messages': parts of type '{}' are not supported",
                 type->as_string().substr(0, 40));
  const Json* text = part.find("text");
  if (!text || !text->is_string()) BodyFields::refuse("messages", "parts with a 'text'", part);
  return text->as_string();
}

std::string content_text(const Json& message) {
  const Json* content = message.find("content");
  if (content && content->is_string()) return content->as_string();
  if (!content || !content->is_array())
    BodyFields::refuse("messages", "a 'content' that is a string or an array of parts", message);
  std::string text;
  for (const Json& part : content->as_array()) text += part_text(part);
  return text;
}

std::vector<Prompt> read_prompts(const Json& prompt, int32_t vocab) {
  constexpr const char* kExpected = "a string, token ids, or an array of either";
  if (prompt.is_string()) return {prompt.as_string()};
  if (!prompt.is_array() || prompt.as_array().empty())
    BodyFields::refuse("prompt", kExpected, prompt);
  if (prompt.as_array()[0].is_int()) return {read_token_ids("prompt", prompt, vocab)};
  std::vector<Prompt> prompts;
  for (const Json& each : prompt.as_array()) {
    if (each.is_string())
      prompts.emplace_back(each.as_string());
    else if (each.is_array())
      prompts.emplace_back(read_token_ids("prompt", each, vocab));
    else
      BodyFields::refuse("prompt", kExpected, each);
  }
  return prompts;
}

}  // namespace

std::vector<ChatMessage> read_messages(const Json& list) {
  if (!list.is_array() || list.as_array().empty())
    BodyFields::refuse("messages", "an array of messages, not empty", list);
  std::vector<ChatMessage> messages;
  for (const Json& message : list.as_array()) {
    const Json* role = message.find("role");
    if (!role || !role->is_string())
      BodyFields::refuse("messages", "objects with a 'role' and a 'content'", message);
    const std::string& name = role->as_string();
    const Json* calls = message.find("tool_calls");
    const bool has_calls = calls && !calls->is_null() && !is_empty_list(*calls);
    if (name == "tool" || name == "function" || has_calls) unsupported("messages", "tools are");
    messages.push_back({name == "developer" ? "system" : name, content_text(message)});
  }
  return messages;
}

GenerationRequest read_chat_request(const BodyFields& body, const GenerationDefaults& defaults) {
  GenerationRequest request = read_common(body, defaults);
  request.chat = true;
  const Json* messages = body.find("messages");
  if (!messages) refuse_field("messages", "missing", "'messages' is missing");
  request.prompts = {read_messages(*messages)};
  const bool logprobs = body.boolean("logprobs").value_or(false);
  const auto rivals = body.integer("top_logprobs", 0, kMaxRivals);
  if (rivals && !logprobs)
    refuse_field("top_logprobs", "invalid_value", "'top_logprobs' needs 'logprobs': true");
  if (logprobs) request.top_logprobs = static_cast<int>(rivals.value_or(0));
  return request;
}

GenerationRequest read_completion_request(const BodyFields& body,
                                          const GenerationDefaults& defaults) {
  GenerationRequest request = read_common(body, defaults);
  const Json* prompt = body.find("prompt");
  if (!prompt) refuse_field("prompt", "missing", "'prompt' is missing");
  request.prompts = read_prompts(*prompt, defaults.vocab);
  if (request.choices() > kMaxChoices)
    refuse_field("prompt", "invalid_value", "{} prompts of {} choices are more than {}",
                 request.prompts.size(), request.n, kMaxChoices);
  request.echo = body.boolean("echo").value_or(false);
  request.top_logprobs = static_cast<int>(body.integer("logprobs", 0, kMaxRivals).value_or(-1));
  if (request.echo && request.top_logprobs >= 0) unsupported("echo", "logprobs of the prompt are");
  if (!body.text("suffix").value_or("").empty()) unsupported("suffix", "insertion is");
  if (body.integer("best_of", 1, kMaxChoices).value_or(1) > request.n)
    unsupported("best_of", "more than 'n' choices are");
  return request;
}

}  // namespace kvs
