#include "serve/streamed_reply.h"

#include <fmt/format.h>

#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

// The member, or null where it is missing or null itself.
const Json* find_value(const Json& json, std::string_view key) {
  const Json* member = json.find(key);
  return member && !member->is_null() ? member : nullptr;
}

int64_t count_of(const Json& json, std::string_view key) {
  const Json* member = find_value(json, key);
  return member ? member->as_int() : 0;
}

ApiUsage usage_of(const Json& json) {
  const Json* details = find_value(json, "prompt_tokens_details");
  return {.prompt_tokens = count_of(json, "prompt_tokens"),
          .completion_tokens = count_of(json, "completion_tokens"),
          .cached_tokens = details ? count_of(*details, "cached_tokens") : 0};
}

// An error's code for programs: servers give a string, a number, or only a type.
std::string code_of(const Json& error, std::string otherwise) {
  for (const char* key : {"code", "type"})
    if (const Json* code = error.find(key); code && code->is_string()) return code->as_string();
  return otherwise;
}

std::string message_of(const Json& error) {
  const Json* message = error.is_string() ? &error : error.find("message");
  return message && message->is_string() ? message->as_string() : std::string();
}

}  // namespace

bool StreamedReply::take(const std::string& data) {
  if (data != "[DONE]") return take_event(Json::parse(data, "event"));
  done_ = true;
  return true;
}

bool StreamedReply::guard(const std::function<bool()>& take) {
  try {
    return take();
  } catch (const Error& e) {
    fail_with("bad_answer", e.what());
    return false;
  }
}

bool StreamedReply::take_event(const Json& event) {
  if (const Json* error = find_value(event, "error")) {
    fail_with(code_of(*error, "failed"), message_of(*error));
    return true;
  }
  if (const Json* usage = find_value(event, "usage")) reply_.usage = usage_of(*usage);
  if (const Json* kvshare = find_value(event, "kvshare")) reply_.kvshare = *kvshare;
  const Json* choices = find_value(event, "choices");
  return !choices || choices->as_array().empty() || take_choice(choices->as_array().front());
}

bool StreamedReply::take_choice(const Json& choice) {
  if (const Json* reason = find_value(choice, "finish_reason"))
    reply_.finish_reason = reason->as_string();
  const Json* delta = find_value(choice, "delta");
  const Json* text = delta ? find_value(*delta, "content") : find_value(choice, "text");
  if (!text || text->as_string().empty()) return true;
  ++reply_.pieces;
  if (on_text_(text->as_string())) return true;
  fail_with("cancelled", "nobody wants it any more");
  return false;
}

void StreamedReply::fail_with(std::string error, std::string message) {
  if (!reply_.error.empty()) return;  // the first one says why
  reply_.error = std::move(error);
  reply_.message = std::move(message);
}

ApiReply StreamedReply::whole() && {
  if (!done_ && reply_.finish_reason.empty())
    fail_with("cut_off", "the stream ended before the answer");
  return std::move(reply_);
}

ApiReply StreamedReply::refused(int status, const std::string& body) {
  ApiReply reply{.status = status, .error = fmt::format("http_{}", status)};
  reply.message = fmt::format("status {}", status);
  try {
    const Json json = Json::parse(body, "answer");
    const Json* error = find_value(json, "error");
    if (!error) return reply;
    reply.error = code_of(*error, reply.error);
    if (std::string message = message_of(*error); !message.empty())
      reply.message = std::move(message);
  } catch (const Error&) {  // a proxy's page, say
  }
  return reply;
}

}  // namespace kvs
