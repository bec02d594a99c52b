#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/request.h"
#include "kvs/sampling.h"
#include "serve/body_fields.h"

namespace kvs {

/// What a request gets where it says nothing.
struct GenerationDefaults {
  int64_t max_tokens = 1024;
  SamplingOptions sampling;  ///< a seed of 0: one is drawn for each request
  int32_t vocab = 0;
};

/// A request for text. Source: the OpenAI API reference, chat completions and completions.
struct GenerationRequest {
  bool chat = false;
  std::string model;  ///< empty: not named
  std::vector<Prompt> prompts;
  int n = 1;  ///< choices for each prompt
  bool stream = false;
  bool include_usage = false;  ///< in a stream
  bool echo = false;           ///< the prompt in front of the answer
  int top_logprobs = -1;       ///< rivals of each token; below 0: no logprobs
  int64_t max_tokens = 0;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  std::string cache_salt;    ///< narrows down whose rows are reused
  bool cache_prompt = true;  ///< rows may be reused
  bool ignore_eos = false;   ///< the answer goes on until it is as long as it may be

  int choices() const { return n * static_cast<int>(prompts.size()); }
};

/// Both throw a Refusal that names the field: one with another type, out of its range, or asking
/// for what is not supported (code "unsupported"). Unknown fields are passed over.
GenerationRequest read_chat_request(const BodyFields& body, const GenerationDefaults& defaults);
GenerationRequest read_completion_request(const BodyFields& body,
                                          const GenerationDefaults& defaults);

/// The `messages` of a chat: content as a string or as parts of text; "developer" is "system".
std::vector<ChatMessage> read_messages(const Json& list);

}  // namespace kvs
