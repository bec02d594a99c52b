#include "serve/refusal.h"

namespace kvs {

Json Refusal::to_json() const {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return Json::Object{{"error", Json::Object{{"message", message},
                                             {"type", type},
                                             {"param", or_null(param)},
                                             {"code", or_null(code)}}}};
}

Refusal refusal_with(int status) {
  const auto refusal = [status](const char* code, const char* message) {
    return Refusal{.status = status, .message = message, .code = code};
  };
  if (status == 404) return refusal("unknown_route", "there is nothing at this path");
  if (status == 405)
    return refusal("method_not_allowed", "this path is for other methods, which Allow names");
  if (status == 408) return refusal("timeout", "the request did not arrive in time");
  if (status == 411) return refusal("length_required", "the request says no Content-Length");
  if (status == 413) return refusal("body_too_large", "the body is larger than the server takes");
  if (status == 414) return refusal("path_too_long", "the path is longer than the server takes");
  if (status == 431) return refusal("head_too_large", "the head is larger than the server takes");
  if (status >= 500)
    return {.status = status,
            .type = "server_error",
            .message = "the server has failed",
            .code = "failed"};
  return refusal("bad_request", "this is not a request that the server understands");
}

Refusal queue_full() {
  return {.status = 429,
          .type = "rate_limit_error",
          .message = "too many requests are waiting",
          .code = "queue_full",
          .retry_after_s = 1};
}

Refusal too_many_requests() {
  return {.status = 429,
          .type = "rate_limit_error",
          .message = "too many of your requests are under way",
          .code = "too_many_requests",
          .retry_after_s = 1};
}

Refusal overloaded() {
  return {.status = 503,
          .type = "server_error",
          .message = "there are too many connections",
          .code = "overloaded",
          .retry_after_s = 1};
}

Refusal client_left() {
  return {.status = 499, .message = "the client has left", .code = "client_left"};
}

Refusal loading() {
  return {.status = 503,
          .type = "server_error",
          .message = "the model is being loaded",
          .code = "loading",
          .retry_after_s = 2};
}

Refusal shutting_down() {
  return {.status = 503,
          .type = "server_error",
          .message = "the server is shutting down",
          .code = "shutting_down",
          .retry_after_s = 5};
}

}  // namespace kvs
