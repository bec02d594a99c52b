#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/request.h"

namespace kvs {

struct ApiClientOptions {
  std::string url;           ///< http://HOST[:PORT][/PATH], https too; an ending "/v1" may be there
  int timeout_ms = 300'000;  ///< without a sign of life from the server
};

/// What a server says an answer took, in tokens.
struct ApiUsage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  ///< of the prompt, not computed; 0 where the server does not say
};

/// What became of a request for text.
struct ApiReply {
  int status = 0;  ///< of HTTP; 0: there was none
  /// For programs, empty where all went well: the server's own code, "http_STATUS" where it gives
  /// none, "unreachable", "timeout", "cut_off" (the stream ended early), "bad_answer" or
  /// "cancelled".
  std::string error;
  std::string message;  ///< the same for people
  std::string finish_reason;
  int64_t pieces = 0;             ///< events that held text
  std::optional<ApiUsage> usage;  ///< where the server says it
  Json kvshare;                   ///< the field of this name; null where there is none
};

/// The body that asks a server's `model` for an answer: messages become one of chat completions,
/// other prompts one of completions. Sampling that is none is left out but for the temperature,
/// since not every server knows its fields.
KVS_API Json api_body(const Request& request, const std::string& model);

/// A client of the OpenAI API, with one connection that is kept open. Not thread-safe, stop()
/// excepted. Source: the OpenAI API reference; server-sent events as in the HTML standard.
class KVS_API ApiClient {
 public:
  virtual ~ApiClient() = default;

  /// The names of the server's models. Throws Error(io), naming the URL and what went wrong.
  virtual std::vector<std::string> models(const std::string& key) = 0;

  /// Asks for one answer as a stream: POST /v1/chat/completions where `body` has "messages", else
  /// /v1/completions; "stream" and "stream_options" are added. `on_text` is called with each piece
  /// of text as it comes; where it returns false the client hangs up. An empty key: none is sent.
  virtual ApiReply generate(const Json& body, const std::string& key,
                            const std::function<bool(std::string_view)>& on_text) = 0;

  /// Ends what is under way, "cancelled", and all that would follow. From any thread.
  virtual void stop() = 0;
};

/// Connects with the first request. Throws Error(argument) where the URL is none, Error(io) where
/// the module for HTTP is missing.
KVS_API std::unique_ptr<ApiClient> open_api_client(const ApiClientOptions& options);

}  // namespace kvs
