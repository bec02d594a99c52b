#include "serve/answer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kvs/donor_store.h"
#include "serve/logprobs_json.h"

namespace kvs {
namespace {

int64_t cached(const ReuseReport& reuse) {
  return reuse.exact + reuse.shifted + reuse.fuzzy;
}

Json delta_of(std::string_view text) {
  if (text.empty()) return Json::Object{};
  return Json::Object{{"content", text}};
}

Json::Member text_or_delta(bool chat, std::string_view text) {
  if (chat) return {"delta", delta_of(text)};
  return {"text", text};
}

Json message_of(std::string_view text) {
  return Json::Object{{"role", "assistant"}, {"content", text}, {"refusal", Json()}};
}

}  // namespace

AnswerWriter::AnswerWriter(Options options)
    : options_(std::move(options)), text_offsets_(options_.choices) {}

Json AnswerWriter::object(const char* kind) const {
  return Json::Object{{"id", options_.id},
                      {"object", kind},
                      {"created", options_.created},
                      {"model", options_.model},
                      {"system_fingerprint", options_.fingerprint}};
}

Json AnswerWriter::with_choice(Json choice) const {
  Json json = object(options_.chat ? "chat.completion.chunk" : "text_completion");
  json.set("choices", Json::Array{std::move(choice)});
  if (options_.usage_in_chunks) json.set("usage", Json());
  return json;
}

Json AnswerWriter::whole(const std::vector<Choice>& choices) {
  Json list{Json::Array{}};
  for (const Choice& choice : choices) {
    const auto index = static_cast<int>(&choice - choices.data());
    Json json = Json::Object{{"index", index}};
    if (options_.chat)
      json.set("message", message_of(choice.text));
    else
      json.set("text", choice.text);
    json.set("logprobs", choice.with_logprobs ? logprobs(index, choice.tokens) : Json());
    json.set("finish_reason", choice.response.finish_reason);
    list.push(std::move(json));
  }
  Json json = object(options_.chat ? "chat.completion" : "text_completion");
  json.set("choices", std::move(list));
  return json;
}

Json AnswerWriter::opening(int choice) {
  return with_choice(Json::Object{{"index", choice},
                                  {"delta", Json::Object{{"role", "assistant"}, {"content", ""}}},
                                  {"logprobs", Json()},
                                  {"finish_reason", Json()}});
}

Json AnswerWriter::chunk(int choice, std::string_view text, const std::vector<Logprobs>& tokens) {
  return with_choice(Json::Object{{"index", choice},
                                  text_or_delta(options_.chat, text),
                                  {"logprobs", tokens.empty() ? Json() : logprobs(choice, tokens)},
                                  {"finish_reason", Json()}});
}

Json AnswerWriter::closing(int choice, std::string_view finish_reason) {
  return with_choice(Json::Object{{"index", choice},
                                  text_or_delta(options_.chat, ""),
                                  {"logprobs", Json()},
                                  {"finish_reason", finish_reason}});
}

Json AnswerWriter::usage_chunk(Json usage, Json kvshare, Json timings) const {
  Json json = object(options_.chat ? "chat.completion.chunk" : "text_completion");
  json.set("choices", Json::Array{});
  json.set("usage", std::move(usage));
  json.set("kvshare", std::move(kvshare));
  json.set("timings", std::move(timings));
  return json;
}

Json AnswerWriter::logprobs(int choice, const std::vector<Logprobs>& tokens) {
  if (options_.chat) return chat_logprobs_json(tokens, *options_.tokenizer);
  return completion_logprobs_json(tokens, *options_.tokenizer, text_offsets_[choice]);
}

Json usage_json(const std::vector<const Response*>& choices, int n) {
  int64_t prompt = 0, answer = 0, unused = 0;
  for (size_t choice = 0; choice < choices.size(); ++choice) {
    answer += static_cast<int64_t>(choices[choice]->tokens.size());
    if (choice % n != 0) continue;
    prompt += choices[choice]->reuse.prompt_tokens;
    unused += cached(choices[choice]->reuse);
  }
  return Json::Object{{"prompt_tokens", prompt},
                      {"completion_tokens", answer},
                      {"total_tokens", prompt + answer},
                      {"prompt_tokens_details", Json::Object{{"cached_tokens", unused}}}};
}

std::string donor_id(const Caller& caller, std::string_view request_id) {
  return fmt::format("{}/{}", caller.tenant, request_id);
}

Json kvshare_json(const Response& response, const Caller& caller) {
  Json json = response_to_json(response).get("kvshare");
  const std::string own = donor_id(caller, "");
  Json donors{Json::Array{}};
  for (const DonorUse& donor : response.reuse.donors) {
    const bool is_own = donor.id.starts_with(own);
    const bool published = donor.id.starts_with(DonorStore::kPublished);
    const bool known = is_own || (caller.share_group.empty() && !published);
    donors.push(
        Json::Object{{"id", known ? Json(donor.id.substr(is_own ? own.size() : 0)) : Json()},
                     {"similarity", donor.similarity},
                     {"tokens", donor.tokens}});
  }
  json.set("donors", std::move(donors));
  return json;
}

Json timings_json(const Response& response) {
  const ReuseReport& reuse = response.reuse;
  const auto predicted = static_cast<int64_t>(response.tokens.size());
  const auto further = static_cast<double>(std::max<int64_t>(predicted - 1, 0));
  return Json::Object{{"cache_n", cached(reuse)},
                      {"prompt_n", reuse.prompt_tokens - cached(reuse)},
                      {"prompt_ms", reuse.ttft_ms},
                      {"predicted_n", predicted},
                      {"predicted_ms", reuse.tpot_ms * further},
                      {"predicted_per_token_ms", reuse.tpot_ms},
                      {"predicted_per_second", reuse.tpot_ms > 0 ? 1000 / reuse.tpot_ms : 0.0}};
}

}  // namespace kvs
