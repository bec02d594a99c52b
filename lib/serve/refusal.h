#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "kvs/json.h"

namespace kvs {

/// Thrown where a client is answered with an error; never leaves lib/serve. Source: the OpenAI API
/// reference, "Errors"; `code` is a string there.
struct Refusal {
  int status = 400;
  std::string type = "invalid_request_error";
  std::string message;
  std::string param;  ///< the request's field; empty: none
  std::string code;   ///< for programs; empty: none
  int retry_after_s = 0;

  /// {"error": {"message", "type", "param", "code"}}
  Json to_json() const;
};

/// What is said where nothing more is known than the status.
Refusal refusal_with(int status);

/// To nobody, in the log.
Refusal client_left();

/// To whoever comes before there is a model.
Refusal loading();

/// To whoever comes while the server goes.
Refusal shutting_down();

/// To whoever comes where as many wait as may.
Refusal queue_full();

/// To a tenant that has as many requests under way as it may.
Refusal too_many_requests();

/// To whoever comes where all connections are taken.
Refusal overloaded();

/// Throws a Refusal of status 400 that names the field.
template <typename... Args>
[[noreturn]] void refuse_field(const std::string& param, const std::string& code,
                               fmt::format_string<Args...> text, Args&&... args) {
  throw Refusal{
      .message = fmt::format(text, std::forward<Args>(args)...), .param = param, .code = code};
}

}  // namespace kvs
