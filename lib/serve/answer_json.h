#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/json.h"
#include "kvs/logprobs.h"
#include "kvs/response.h"
#include "kvs/tokenizer.h"
#include "serve/tenants.h"

namespace kvs {

/// One choice of an answer, whole.
struct Choice {
  std::string text;
  std::vector<Logprobs> tokens;
  bool with_logprobs = false;
  Response response;
};

/// Writes answers as the OpenAI API has them: chat completions or completions, whole or in chunks.
/// Every object of one answer has the same id and time. Not thread-safe.
class AnswerWriter {
 public:
  struct Options {
    bool chat = false;
    std::string id;
    int64_t created = 0;  ///< seconds since 1970
    std::string model;
    std::string fingerprint;
    const Tokenizer* tokenizer = nullptr;  ///< for logprobs
    int choices = 1;
    bool usage_in_chunks = false;  ///< "usage": null in chunks that have none
  };
  explicit AnswerWriter(Options options);

  Json whole(const std::vector<Choice>& choices);

  /// The chunk that opens a choice of a chat: its delta names the role.
  Json opening(int choice);
  Json chunk(int choice, std::string_view text, const std::vector<Logprobs>& tokens);
  Json closing(int choice, std::string_view finish_reason);
  /// The chunk without choices that says what an answer cost.
  Json usage_chunk(Json usage, Json kvshare, Json timings) const;

 private:
  Json object(const char* kind) const;
  Json logprobs(int choice, const std::vector<Logprobs>& tokens);
  Json with_choice(Json choice) const;

  Options options_;
  std::vector<int64_t> text_offsets_;  // by choice, in bytes
};

/// "usage" over the choices of an answer, `n` for each prompt. cached_tokens are prompt tokens that
/// were not computed: those that a policy computed anew do not count.
Json usage_json(const std::vector<const Response*>& choices, int n);

/// "kvshare": how the first prompt's rows came about. Ids of donors are shown where the caller may
/// know them: those of its own requests, and of what the operator published.
Json kvshare_json(const Response& response, const Caller& caller);

/// "timings" of the first choice, as llama.cpp's server has them.
Json timings_json(const Response& response);

/// The id under which a request's rows are kept, which kvshare_json takes apart.
std::string donor_id(const Caller& caller, std::string_view request_id);

}  // namespace kvs
