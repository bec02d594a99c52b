#include "serve/logprobs_json.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

namespace kvs {
namespace {

double finite(double logprob) {
  return std::isfinite(logprob) ? logprob : -9999;
}

// Of UTF-8, each where it begins.
int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Json::Object entry(const TokenLogprob& token, const Tokenizer& tokenizer) {
  const std::string bytes = tokenizer.token_bytes(token.token);
  Json list{Json::Array{}};
  for (const char byte : bytes) list.push(static_cast<int>(static_cast<unsigned char>(byte)));
  return {{"token", bytes}, {"logprob", finite(token.logprob)}, {"bytes", std::move(list)}};
}

}  // namespace

Json chat_logprobs_json(const std::vector<Logprobs>& tokens, const Tokenizer& tokenizer) {
  Json content{Json::Array{}};
  for (const Logprobs& token : tokens) {
    Json top{Json::Array{}};
    for (const TokenLogprob& rival : token.top) top.push(entry(rival, tokenizer));
    Json::Object chosen = entry(token.chosen, tokenizer);
    chosen.emplace_back("top_logprobs", std::move(top));
    content.push(std::move(chosen));
  }
  return Json::Object{{"content", std::move(content)}, {"refusal", Json()}};
}

Json completion_logprobs_json(const std::vector<Logprobs>& tokens, const Tokenizer& tokenizer,
                              int64_t& offset) {
  Json texts{Json::Array{}}, values{Json::Array{}}, tops{Json::Array{}}, offsets{Json::Array{}};
  for (const Logprobs& token : tokens) {
    const std::string text = tokenizer.token_bytes(token.chosen.token);
    texts.push(text);
    values.push(finite(token.chosen.logprob));
    Json top{Json::Object{}};
    for (const TokenLogprob& rival : token.top)
      top.set(tokenizer.token_bytes(rival.token), finite(rival.logprob));
    top.set(text, finite(token.chosen.logprob));  // likely or not
    tops.push(std::move(top));
    offsets.push(offset);
    offset += count_characters(text);
  }
  return Json::Object{{"tokens", std::move(texts)},
                      {"token_logprobs", std::move(values)},
                      {"top_logprobs", std::move(tops)},
                      {"text_offset", std::move(offsets)}};
}

}  // namespace kvs
