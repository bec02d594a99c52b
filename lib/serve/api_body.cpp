#include <utility>

#include "kvs/api_client.h"

namespace kvs {
namespace {

Json messages_of(const std::vector<ChatMessage>& messages) {
  Json list{Json::Array{}};
  for (const ChatMessage& message : messages)
    list.push(Json::Object{{"role", message.role}, {"content", message.content}});
  return list;
}

void set_prompt(const Prompt& prompt, Json& body) {
  if (const auto* messages = std::get_if<std::vector<ChatMessage>>(&prompt)) {
    body.set("messages", messages_of(*messages));
  } else if (const auto* text = std::get_if<std::string>(&prompt)) {
    body.set("prompt", *text);
  } else {
    Json list{Json::Array{}};
    for (const int32_t token : std::get<std::vector<int32_t>>(prompt)) list.push(token);
    body.set("prompt", std::move(list));
  }
}

// What is as a server has it by itself is not said: not every server knows these fields.
void set_sampling(const SamplingOptions& sampling, Json& body) {
  const SamplingOptions none;
  const auto set = [&](const char* field, auto value, auto otherwise) {
    if (value != otherwise) body.set(field, value);
  };
  body.set("temperature", sampling.temperature);
  set("top_p", sampling.top_p, none.top_p);
  set("top_k", sampling.top_k, none.top_k);
  set("min_p", sampling.min_p, none.min_p);
  set("repetition_penalty", sampling.repetition_penalty, none.repetition_penalty);
  set("presence_penalty", sampling.presence_penalty, none.presence_penalty);
  set("frequency_penalty", sampling.frequency_penalty, none.frequency_penalty);
  set("seed", sampling.seed, none.seed);
}

}  // namespace

Json api_body(const Request& request, const std::string& model) {
  Json body = Json::Object{{"model", model}};
  set_prompt(request.prompt, body);
  body.set("max_tokens", request.max_tokens);
  set_sampling(request.sampling, body);
  if (request.stop.empty()) return body;
  Json stop{Json::Array{}};
  for (const std::string& text : request.stop) stop.push(text);
  body.set("stop", std::move(stop));
  return body;
}

}  // namespace kvs
