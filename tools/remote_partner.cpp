#include <chrono>
#include <stop_token>
#include <thread>

#include "kvs/error.h"
#include "tools/chat_partner.h"
#include "tools/interrupt.h"

namespace kvs {
namespace {

constexpr std::chrono::milliseconds kLookForInterrupt{20};

using Clock = std::chrono::steady_clock;

double ms_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

// Ends what the client waits for when Ctrl-C is pressed, be it the first word.
std::jthread stop_on_interrupt(ApiClient& client) {
  return std::jthread([&client](const std::stop_token& done) {
    while (!done.stop_requested() && interrupted() == 0)
      std::this_thread::sleep_for(kLookForInterrupt);
    if (interrupted() != 0) client.stop();
  });
}

// What servers of other makes say: what they found is a prefix of the prompt.
Json kvshare_of(const ApiUsage& usage) {
  return Json::Object{{"prompt_tokens", usage.prompt_tokens},
                      {"exact", usage.cached_tokens},
                      {"computed", usage.prompt_tokens - usage.cached_tokens}};
}

// When the pieces of an answer came.
class Stopwatch {
 public:
  void note_piece() {
    last_ = Clock::now();
    if (pieces_++ == 0) first_ = last_;
  }

  // Whoever waits for an answer waits for the network and the queue too.
  void write_to(Json& kvshare, int64_t tokens) const {
    if (pieces_ == 0) return;
    kvshare.set("ttft_ms", ms_between(start_, first_));
    kvshare.set("tpot_ms",
                tokens > 1 ? ms_between(first_, last_) / static_cast<double>(tokens - 1) : 0.0);
  }

 private:
  Clock::time_point start_ = Clock::now(), first_, last_;
  int64_t pieces_ = 0;
};

class RemotePartner final : public ChatPartner {
 public:
  RemotePartner(ApiClientOptions server, std::string key, const ServeOptions& options)
      : server_(std::move(server)), key_(std::move(key)), options_(options) {
    const std::vector<std::string> models = open_api_client(server_)->models(key_);
    if (models.empty()) fail(ErrorKind::io, "{}: the server has no models", server_.url);
    model_ = models.front();
  }

  std::string description() override { return fmt::format("{} at {}", model_, server_.url); }

  ChatAnswer answer(const std::vector<ChatMessage>& messages,
                    const std::function<void(std::string_view)>& on_text) override {
    ChatAnswer answer;
    Stopwatch watch;
    const auto client = open_api_client(server_);  // one that was stopped answers no more
    const auto take = [&](std::string_view text) {
      watch.note_piece();
      answer.text += text;
      on_text(text);
      return interrupted() == 0;
    };
    const Json body = api_body(
        {.prompt = messages, .max_tokens = options_.max_tokens, .sampling = options_.sampling},
        model_);
    const std::jthread stopper = stop_on_interrupt(*client);
    const ApiReply reply = client->generate(body, key_, take);
    if (!reply.error.empty() && reply.error != "cancelled")
      fail(ErrorKind::io, "{}: {}", server_.url, reply.message);

    answer.finish_reason = reply.error.empty() ? reply.finish_reason : reply.error;
    if (!reply.usage) return answer;
    answer.tokens = reply.usage->completion_tokens;
    answer.kvshare = reply.kvshare.is_object() ? reply.kvshare : kvshare_of(*reply.usage);
    watch.write_to(answer.kvshare, answer.tokens);
    return answer;
  }

 private:
  ApiClientOptions server_;
  std::string key_;
  const ServeOptions& options_;
  std::string model_;
};

}  // namespace

std::unique_ptr<ChatPartner> open_remote_partner(const ApiClientOptions& server,
                                                 const std::string& key,
                                                 const ServeOptions& options) {
  return std::make_unique<RemotePartner>(server, key, options);
}

}  // namespace kvs
