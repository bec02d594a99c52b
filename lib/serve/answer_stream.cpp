#include "serve/answer_stream.h"

#include <algorithm>
#include <utility>

namespace kvs {
namespace {

// How soon a client that goes away is noticed.
constexpr std::chrono::milliseconds kLook{100};

}  // namespace

AnswerStream::AnswerStream(Options options, std::shared_ptr<AnswerChannel> channel,
                           Connection& connection)
    : options_(std::move(options)),
      writer_(options_.writer),
      channel_(std::move(channel)),
      connection_(connection),
      choices_(options_.writer.choices) {
  connection_.log.set("finish_reason", "cancelled");  // until it is known better
  for (size_t choice = 0; choice < options_.echoes.size(); ++choice)
    choices_[choice].text = options_.echoes[choice];
}

// What was not taken until now will not be: the engine need not go on.
AnswerStream::~AnswerStream() {
  channel_->abandon();
}

std::vector<const Response*> AnswerStream::responses() const {
  std::vector<const Response*> list;
  for (const Choice& choice : choices_) list.push_back(&choice.response);
  return list;
}

const Response* AnswerStream::failed() const {
  for (const Choice& choice : choices_) {
    const std::string& reason = choice.response.finish_reason;
    if (reason == "error" || reason == "cancelled") return &choice.response;
  }
  return nullptr;
}

Refusal AnswerStream::failure(const Response& response) const {
  const bool ended = response.finish_reason == "cancelled", broken = !response.error.empty();
  return {.status = ended ? 503 : 500,
          .type = "server_error",
          .message = broken ? response.error : "the server is shutting down",
          .code = broken ? "failed" : "shutting_down",
          .retry_after_s = ended ? 5 : 0};
}

void AnswerStream::note_usage(const Json& usage) {
  Json& log = connection_.log;
  const Response& first = choices_.front().response;
  log.set("prompt_tokens", usage.get("prompt_tokens"));
  log.set("completion_tokens", usage.get("completion_tokens"));
  log.set("cached_tokens", usage.get("prompt_tokens_details").get("cached_tokens"));
  const Clock::duration ttft = channel_->first_at().value_or(Clock::now()) - connection_.arrived();
  log.set("ttft_ms", std::chrono::duration<double, std::milli>(ttft).count());
  log.set("finish_reason", first.finish_reason);
}

Json AnswerStream::whole() {
  while (!channel_->finished()) {
    for (AnswerPiece& piece : channel_->take(kLook)) {
      Choice& choice = choices_[piece.choice];
      choice.text += piece.text;
      choice.with_logprobs = options_.request.top_logprobs >= 0;
      std::move(piece.tokens.begin(), piece.tokens.end(), std::back_inserter(choice.tokens));
      if (piece.end) choice.response = *std::move(piece.end);
    }
    if (connection_.peer_gone()) throw client_left();
  }
  if (const Response* response = failed()) throw failure(*response);
  const Json usage = usage_json(responses(), options_.request.n);
  note_usage(usage);
  Json json = writer_.whole(choices_);
  json.set("usage", usage);
  json.set("kvshare", kvshare_json(choices_.front().response, options_.caller));
  json.set("timings", timings_json(choices_.front().response));
  return json;
}

bool AnswerStream::send(httplib::DataSink& sink, const Json& json) {
  const std::string event = "data: " + json.dump() + "\n\n";
  last_sent_ = Clock::now();
  return sink.write(event.data(), event.size());
}

bool AnswerStream::open(httplib::DataSink& sink) {
  opened_ = true;
  for (int choice = 0; choice < options_.writer.choices; ++choice) {
    if (options_.request.chat && !send(sink, writer_.opening(choice))) return false;
    if (!options_.echoes.empty() && !send(sink, writer_.chunk(choice, options_.echoes[choice], {})))
      return false;
  }
  return true;
}

bool AnswerStream::send_piece(httplib::DataSink& sink, AnswerPiece& piece) {
  if ((!piece.text.empty() || !piece.tokens.empty()) &&
      !send(sink, writer_.chunk(piece.choice, piece.text, piece.tokens)))
    return false;
  if (!piece.end) return true;
  Response& response = choices_[piece.choice].response = *std::move(piece.end);
  if (const Response* broken = failed()) return send(sink, failure(*broken).to_json());
  return send(sink, writer_.closing(piece.choice, response.finish_reason));
}

bool AnswerStream::send_end(httplib::DataSink& sink) {
  const Json usage = usage_json(responses(), options_.request.n);
  note_usage(usage);
  if (options_.request.include_usage &&
      !send(sink,
            writer_.usage_chunk(usage, kvshare_json(choices_.front().response, options_.caller),
                                timings_json(choices_.front().response))))
    return false;
  constexpr std::string_view kDone = "data: [DONE]\n\n";
  return sink.write(kDone.data(), kDone.size());
}

bool AnswerStream::advance(httplib::DataSink& sink) {
  if (!opened_ && !open(sink)) return false;
  if (!break_silence(sink) || connection_.peer_gone()) return false;
  for (AnswerPiece& piece : channel_->take(kLook)) {
    if (!send_piece(sink, piece)) return false;
    if (failed()) break;  // which is said once, for all choices
  }
  if (!channel_->finished() && !failed()) return true;
  if (!failed() && !send_end(sink)) return false;
  sink.done();
  return true;
}

bool AnswerStream::break_silence(httplib::DataSink& sink) {
  if (Clock::now() - last_sent_ < std::chrono::milliseconds(options_.ping_ms)) return true;
  constexpr std::string_view kPing = ": ping\n\n";
  last_sent_ = Clock::now();
  return sink.write(kPing.data(), kPing.size());
}

}  // namespace kvs
