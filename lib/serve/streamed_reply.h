#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kvs/api_client.h"

namespace kvs {

/// Puts a reply together from what a server sends: the data of a stream's events, or the body of a
/// refusal. Source: the OpenAI API reference, "Streaming" and "Errors".
class StreamedReply {
 public:
  /// `on_text` as for ApiClient::generate().
  explicit StreamedReply(std::function<bool(std::string_view)> on_text)
      : on_text_(std::move(on_text)) {}

  /// Takes an event's data; false where no more is wanted. Throws Error(format) where it makes no
  /// sense.
  bool take(const std::string& data);

  /// Calls `take`, which may throw an Error: the reply is a "bad_answer" then.
  bool guard(const std::function<bool()>& take);

  /// The reply, when the stream is over.
  ApiReply whole() &&;

  /// What a body says that came with a status other than 200.
  static ApiReply refused(int status, const std::string& body);

 private:
  bool take_event(const Json& event);
  bool take_choice(const Json& choice);
  void fail_with(std::string error, std::string message);

  std::function<bool(std::string_view)> on_text_;
  ApiReply reply_{.status = 200};
  bool done_ = false;
};

}  // namespace kvs
