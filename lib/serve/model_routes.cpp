#include <algorithm>
#include <cstring>

#include "serve/base64.h"
#include "serve/service.h"

namespace kvs {
namespace {

constexpr size_t kMaxInputs = 2048;
constexpr int64_t kMaxNumbers = 1 << 21;  // of all vectors, since they are held until the last one

// A vector of no text would point nowhere.
Prompt read_text(const Json& text) {
  if (text.as_string().empty()) BodyFields::refuse("input", "some text", text);
  return text.as_string();
}

std::vector<Prompt> read_inputs(const Json& input, int32_t vocab) {
  if (input.is_string()) return {read_text(input)};
  const bool is_list = input.is_array() && !input.as_array().empty();
  if (is_list && input.as_array()[0].is_int()) return {read_token_ids("input", input, vocab)};
  if (!is_list || input.as_array().size() > kMaxInputs)
    BodyFields::refuse("input", fmt::format("a string or an array of 1 to {}", kMaxInputs), input);
  std::vector<Prompt> inputs;
  for (const Json& each : input.as_array()) {
    if (each.is_string())
      inputs.push_back(read_text(each));
    else
      inputs.emplace_back(read_token_ids("input", each, vocab));
  }
  return inputs;
}

Json vector_json(const std::vector<float>& vector, bool as_base64) {
  if (as_base64) {
    std::string bytes(vector.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), vector.data(), bytes.size());  // little-endian, as everywhere here
    return base64(bytes);
  }
  Json list{Json::Array{}};
  for (const float value : vector) list.push(static_cast<double>(value));
  return list;
}

}  // namespace

void Service::require_model(const std::string& name) const {
  if (name.empty() || name == options_.model) return;
  throw Refusal{.status = 404,
                .message = fmt::format("the model '{}' does not exist; there is '{}'",
                                       name.substr(0, 64), options_.model),
                .param = "model",
                .code = "model_not_found"};
}

Json Service::model_entry(const std::string& id) const {
  return Json::Object{{"id", id},
                      {"object", "model"},
                      {"created", started_},
                      {"owned_by", "kvshare"},
                      {"max_model_len", context_}};
}

void Service::list_models(Exchange& exchange) {
  exchange.answer(
      Json::Object{{"object", "list"}, {"data", Json::Array{model_entry(options_.model)}}});
}

void Service::show_model(Exchange& exchange) {
  require_model(exchange.request.matches[1].str());
  exchange.answer(model_entry(options_.model));
}

void Service::embed(Exchange& exchange) {
  const BodyFields body = take_fields(exchange);
  const std::string name = body.text("model").value_or("");
  if (!embedder_ || name != embedder_->name()) require_model(name);
  if (!embedder_) refuse_field("model", "unsupported", "this server has no embedder");
  const Json* input = body.find("input");
  if (!input) refuse_field("input", "missing", "'input' is missing");
  const std::string format = body.text("encoding_format").value_or("float");
  if (format != "float" && format != "base64")
    BodyFields::refuse("encoding_format", "float or base64", format);
  if (body.integer("dimensions", 1, 1 << 20).value_or(embedder_->dim()) != embedder_->dim())
    refuse_field("dimensions", "unsupported", "'dimensions': the embedder has {}",
                 embedder_->dim());

  const auto inputs = read_inputs(*input, model_->prompts().tokenizer()->vocab_size());
  const int64_t numbers = std::ssize(inputs) * embedder_->dim();
  if (numbers > kMaxNumbers)
    refuse_field("input", "too_large",
                 "'input': {} vectors of {} numbers are {}: expected at most {}", inputs.size(),
                 embedder_->dim(), numbers, kMaxNumbers);

  const int64_t most = model_->transformer().config().context;
  int64_t tokens = 0;
  std::vector<std::vector<float>> vectors;
  TurnQueue::Place place(embedding_, exchange.caller.tenant);
  for (const Prompt& prompt : inputs) {
    const std::vector<int32_t> ids = encode(prompt, "input", most);
    tokens += std::ssize(ids);
    vectors.push_back(embed_in_turn(exchange, place, ids));
  }
  Json data{Json::Array{}};
  for (const std::vector<float>& vector : vectors)
    data.push(Json::Object{{"object", "embedding"},
                           {"index", std::ssize(data.as_array())},
                           {"embedding", vector_json(vector, format == "base64")}});
  exchange.answer(
      Json::Object{{"object", "list"},
                   {"data", std::move(data)},
                   {"model", embedder_->name()},
                   {"usage", Json::Object{{"prompt_tokens", tokens}, {"total_tokens", tokens}}}});
}

// Tenants take turns, and their requests, an input each, so that a long one does not keep all
// others waiting.
std::vector<float> Service::embed_in_turn(Exchange& exchange, TurnQueue::Place& place,
                                          const std::vector<int32_t>& tokens) {
  const auto wanted = [&] { return !loop_->stopped() && !exchange.connection.peer_gone(); };
  if (!place.wait(std::ssize(tokens), wanted))
    throw loop_->stopped() ? shutting_down() : client_left();
  std::vector<float> vector = embedder_->embed(tokens);
  place.pass();
  return vector;
}

// The request and the answer of vLLM's server, and of llama.cpp's.
void Service::tokenize(Exchange& exchange) {
  const BodyFields body = take_fields(exchange);
  std::vector<int32_t> tokens;
  if (const Json* messages = body.find("messages")) {
    tokens = model_->prompts().encode_chat(read_messages(*messages));
  } else {
    const auto text = body.find("prompt") ? body.text("prompt") : body.text("content");
    if (!text) refuse_field("prompt", "missing", "'prompt' is missing");
    const bool with_special = body.boolean("add_special_tokens").value_or(!body.find("content"));
    const bool add = body.boolean("add_special").value_or(with_special);
    tokens = model_->prompts().tokenizer()->encode(*text, {.add_special = add});
  }
  if (tokens.size() > max_values())
    refuse_field("", "too_large", "the text has {} tokens: expected at most {}", tokens.size(),
                 max_values());
  Json ids{Json::Array{}};
  for (const int32_t token : tokens) ids.push(token);
  exchange.answer(Json::Object{{"count", static_cast<int64_t>(tokens.size())},
                               {"max_model_len", context_},
                               {"tokens", std::move(ids)}});
}

void Service::detokenize(Exchange& exchange) {
  const BodyFields body = take_fields(exchange);
  const Tokenizer& tokenizer = *model_->prompts().tokenizer();
  const Json* tokens = body.find("tokens");
  if (!tokens) refuse_field("tokens", "missing", "'tokens' is missing");
  std::string text;
  if (!tokens->is_array() || !tokens->as_array().empty())
    text = tokenizer.decode(read_token_ids("tokens", *tokens, tokenizer.vocab_size()));
  if (text.size() > options_.max_body_bytes)
    refuse_field("tokens", "too_large", "'tokens': their text has {} bytes: expected at most {}",
                 text.size(), options_.max_body_bytes);
  exchange.answer(Json::Object{{"prompt", text}, {"content", text}});
}

}  // namespace kvs
