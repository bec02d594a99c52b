#include <algorithm>
#include <utility>

#include "base/line_reader.h"
#include "kvs/error.h"
#include "kvs/load.h"
#include "kvs/request.h"

namespace kvs {
namespace {

constexpr size_t kMaxKeyLine = 4096;

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

Json body_of(const Request& request, const LoadRequestOptions& options) {
  Json body = Json::Object{{"model", options.model}};
  set_prompt(request.prompt, body);
  body.set("max_tokens", std::clamp<int64_t>(request.max_tokens, 1, options.max_tokens));
  set_sampling(request.sampling, body);
  if (!request.stop.empty()) {
    Json stop{Json::Array{}};
    for (const std::string& text : request.stop) stop.push(text);
    body.set("stop", std::move(stop));
  }
  for (const auto& [field, value] : options.extra.as_object()) body.set(field, value);
  return body;
}

}  // namespace

std::vector<LoadRequest> read_load_requests(std::istream& in, const std::string& source,
                                            const LoadRequestOptions& options) {
  Request defaults;
  defaults.max_tokens = options.max_tokens;
  RequestReader reader(in, source, defaults);
  std::vector<LoadRequest> requests;
  while (const std::optional<Request> request = reader.next())
    requests.push_back({.id = request->id,
                        .tenant = request->tenant,
                        .arrival_ms = request->arrival_ms,
                        .body = body_of(*request, options)});
  if (requests.empty()) fail(ErrorKind::format, "{}: no requests", source);
  return requests;
}

std::map<std::string, std::string> read_load_keys(std::istream& in, const std::string& source) {
  LineReader lines(in, source, kMaxKeyLine);
  std::map<std::string, std::string> keys;
  for (std::string line; lines.next(line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const size_t space = line.find(' ');
    const std::string key = space == std::string::npos ? "" : line.substr(space + 1);
    if (space == 0 || key.empty() || key.find_first_of(" \t") != std::string::npos)
      fail(ErrorKind::format, "{}: expected 'TENANT KEY'", lines.where());
    if (!keys.emplace(line.substr(0, space), key).second)
      fail(ErrorKind::format, "{}: tenant '{}' stands twice", lines.where(), line.substr(0, space));
  }
  return keys;
}

}  // namespace kvs
