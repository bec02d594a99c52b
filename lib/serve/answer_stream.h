#pragma once

#include <httplib.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "serve/answer_channel.h"
#include "serve/answer_json.h"
#include "serve/connection.h"
#include "serve/generation_request.h"
#include "serve/refusal.h"

namespace kvs {

/// Brings an answer from its channel to its client, whole or event by event. Where the client goes
/// away, the channel is abandoned. Source of the events: the WHATWG's HTML standard, "Server-sent
/// events".
class AnswerStream {
 public:
  struct Options {
    GenerationRequest request;
    Caller caller;
    int ping_ms = 0;
    AnswerWriter::Options writer;
    std::vector<std::string> echoes;  ///< what stands in front of each choice; empty: nothing
  };

  /// The connection must outlive it.
  AnswerStream(Options options, std::shared_ptr<AnswerChannel> channel, Connection& connection);
  ~AnswerStream();

  /// Waits for the whole answer. Throws a Refusal where there is none.
  Json whole();

  /// Sends what has come, or a ping; false where the client is gone.
  bool advance(httplib::DataSink& sink);

 private:
  using Clock = std::chrono::steady_clock;

  bool open(httplib::DataSink& sink);
  bool send_piece(httplib::DataSink& sink, AnswerPiece& piece);
  bool send_end(httplib::DataSink& sink);
  bool break_silence(httplib::DataSink& sink);
  bool send(httplib::DataSink& sink, const Json& json);
  const Response* failed() const;
  Refusal failure(const Response& response) const;
  std::vector<const Response*> responses() const;
  void note_usage(const Json& usage);

  Options options_;
  AnswerWriter writer_;
  std::shared_ptr<AnswerChannel> channel_;
  Connection& connection_;
  std::vector<Choice> choices_;
  bool opened_ = false;
  Clock::time_point last_sent_ = Clock::now();
};

}  // namespace kvs
