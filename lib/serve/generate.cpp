#include <algorithm>
#include <ctime>
#include <iterator>

#include "kvs/error.h"
#include "serve/answer_json.h"
#include "serve/answer_stream.h"
#include "serve/service.h"

namespace kvs {
namespace {

// An answer that is not streamed is held until its end.
void check_size(const GenerationRequest& request, const std::vector<Job>& jobs) {
  constexpr int64_t kMost = 1 << 18;
  int64_t tokens = 0;
  for (const Job& job : jobs) tokens += job.task.max_tokens;
  const int64_t probabilities = tokens * (1 + request.top_logprobs);
  if (!request.stream && probabilities > kMost)
    refuse_field(request.chat ? "top_logprobs" : "logprobs", "too_large",
                 "{} choices, together of up to {} tokens, have {} probabilities: expected at most "
                 "{}, or a stream",
                 jobs.size(), tokens, probabilities, kMost);
}

// As llama.cpp's server does: with a bias that no other token's logit outweighs.
void bar_ends(const Tokenizer& tokenizer, SamplingOptions& sampling) {
  for (int32_t token = 0; token < tokenizer.vocab_size(); ++token)
    if (tokenizer.is_end_of_generation(token)) sampling.logit_bias.emplace_back(token, -100);
}

void send_events(Exchange& exchange, const std::shared_ptr<AnswerStream>& stream) {
  constexpr const char* kEvents = "text/event-stream";
  httplib::Response& response = exchange.response;
  response.set_header("Cache-Control", "no-cache");
  response.set_header("X-Accel-Buffering", "no");  // else nginx would gather it
  const auto events = [stream](size_t, httplib::DataSink& sink) { return stream->advance(sink); };
  if (exchange.request.version != "HTTP/1.0")
    return response.set_chunked_content_provider(kEvents, events);
  exchange.connection.close_after_response();  // which ends what has neither length nor chunks
  response.set_content_provider(kEvents, events);
}

}  // namespace

void Service::chat(Exchange& exchange) {
  const GenerationRequest request = read_chat_request(take_fields(exchange), defaults());
  generate(exchange, request);
}

void Service::complete(Exchange& exchange) {
  const GenerationRequest request = read_completion_request(take_fields(exchange), defaults());
  generate(exchange, request);
}

GenerationDefaults Service::defaults() const {
  return {options_.max_tokens, options_.sampling, model_->prompts().tokenizer()->vocab_size()};
}

std::vector<int32_t> Service::encode(const Prompt& prompt, const char* field, int64_t most) const {
  std::vector<int32_t> tokens = model_->prompts().encode({.id = "prompt", .prompt = prompt});
  if (tokens.empty()) refuse_field(field, "invalid_value", "'{}': expected some text", field);
  if (std::ssize(tokens) >= most)
    refuse_field(field, "context_length_exceeded",
                 "the prompt has {} tokens, which leaves no room in the context of {}",
                 tokens.size(), most);
  return tokens;
}

std::vector<Job> Service::make_jobs(const Exchange& exchange, const GenerationRequest& request,
                                    const std::string& id) const {
  std::vector<Job> jobs;
  const int64_t most = context_;
  SamplingOptions sampling = request.sampling;
  if (request.ignore_eos) bar_ends(*model_->prompts().tokenizer(), sampling);
  ReuseOptions reuse = options_.reuse;
  if (!request.cache_prompt) reuse.mode = ReuseMode::off;
  for (const Prompt& prompt : request.prompts) {
    const std::vector<int32_t> tokens = encode(prompt, request.chat ? "messages" : "prompt", most);
    for (int choice = 0; choice < request.n; ++choice) {
      Task task{.id = donor_id(exchange.caller, id),
                .tokens = tokens,
                .tenant = exchange.caller.partition(request.cache_salt),
                .owner = exchange.caller.tenant,
                .max_tokens = std::min<int64_t>(request.max_tokens, most - std::ssize(tokens)),
                .sampling = sampling,
                .stop = request.stop,
                .reuse = reuse};
      task.sampling.seed += static_cast<uint64_t>(choice);
      engine_->check(task);
      jobs.push_back({.task = std::move(task),
                      .tenant = exchange.caller.tenant,
                      .choice = static_cast<int>(jobs.size()),
                      .top_logprobs = request.top_logprobs,
                      .arrived = exchange.connection.arrived(),
                      .request_id = exchange.response.get_header_value(kRequestId)});
    }
  }
  return jobs;
}

void Service::log_prompts(Exchange& exchange, const std::vector<Job>& jobs) const {
  Json prompts{Json::Array{}};
  for (const Job& job : jobs) prompts.push(model_->prompts().tokenizer()->decode(job.task.tokens));
  exchange.connection.log.set("prompts", std::move(prompts));
}

void Service::generate(Exchange& exchange, const GenerationRequest& request) {
  require_model(request.model);
  const std::string id = (request.chat ? "chatcmpl-" : "cmpl-") + random_id();
  std::vector<Job> jobs = make_jobs(exchange, request, id);
  check_size(request, jobs);
  if (options_.log_prompts) log_prompts(exchange, jobs);
  auto channel = std::make_shared<AnswerChannel>(request.choices());
  AnswerStream::Options options{
      .request = request,
      .caller = exchange.caller,
      .ping_ms = options_.ping_ms,
      .writer = {.chat = request.chat,
                 .id = id,
                 .created = std::time(nullptr),
                 .model = options_.model,
                 .fingerprint = "fp_" + model_->fingerprint().substr(0, 12),
                 .tokenizer = model_->prompts().tokenizer(),
                 .choices = request.choices(),
                 .usage_in_chunks = request.include_usage}};
  if (request.echo)
    for (const Job& job : jobs)
      options.echoes.push_back(model_->prompts().tokenizer()->decode(job.task.tokens, true));
  for (Job& job : jobs) job.channel = channel;
  if (!loop_->submit(std::move(jobs))) throw loop_->stopped() ? shutting_down() : queue_full();

  auto stream = std::make_shared<AnswerStream>(std::move(options), channel, exchange.connection);
  if (request.stream)
    send_events(exchange, stream);
  else
    exchange.answer(stream->whole());
}

}  // namespace kvs
