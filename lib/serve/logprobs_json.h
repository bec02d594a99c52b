#pragma once

#include <cstdint>
#include <vector>

#include "kvs/json.h"
#include "kvs/logprobs.h"
#include "kvs/tokenizer.h"

namespace kvs {

/// {"content": [{"token", "logprob", "bytes", "top_logprobs"}], "refusal"}, of a chat. A
/// probability of 0 has the logprob -9999. Source: the OpenAI API reference.
Json chat_logprobs_json(const std::vector<Logprobs>& tokens, const Tokenizer& tokenizer);

/// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, of a completion, the chosen token
/// among the top ones. `offset`: where the first token's text stands in the answer, in characters;
/// moved behind the last one.
Json completion_logprobs_json(const std::vector<Logprobs>& tokens, const Tokenizer& tokenizer,
                              int64_t& offset);

}  // namespace kvs
