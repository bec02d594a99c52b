#include "kvs/api_client.h"

#include <thread>

#include "support/errors.h"
#include "support/http_scene.h"

namespace kvs::test {
namespace {

class Client : public HttpScene {
 protected:
  void SetUp() override { start({}); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }
  std::unique_ptr<ApiClient> open() const { return open_api_client({.url = url()}); }

  static Json chat(int max_tokens) {
    return Json::parse(R"({"messages":[{"role":"user","content":"Once upon a time"}],
                           "temperature":0,"max_tokens":)" +
                           std::to_string(max_tokens) + "}",
                       "body");
  }
  static constexpr auto kIgnore = [](std::string_view) { return true; };
};

TEST_F(Client, StreamsWhatTheServerAnswers) {
  const Json expected =
      post("/v1/chat/completions", chat(12).dump()).choice().get("message").get("content");
  const auto client = open();

  for (int turn = 0; turn < 2; ++turn) {  // over one connection
    std::string text;
    const ApiReply reply = client->generate(chat(12), "", [&](std::string_view piece) {
      text += piece;
      return true;
    });

    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.error, "") << reply.message;
    EXPECT_EQ(text, expected.as_string());
    EXPECT_EQ(reply.finish_reason, "length");
    EXPECT_EQ(reply.usage->completion_tokens, 12);
    EXPECT_GT(reply.usage->cached_tokens, 0);
    EXPECT_TRUE(reply.kvshare.is_object());
  }
}

TEST_F(Client, CompletesPromptsToo) {
  const Json body = Json::Object{{"prompt", "Once upon a time"}, {"max_tokens", 5}};

  EXPECT_EQ(open()->generate(body, "", kIgnore).usage->completion_tokens, 5);
}

TEST_F(Client, NamesModelsBehindAnyFormOfTheUrl) {
  for (const char* ending : {"", "/", "/v1", "/v1/"})
    EXPECT_EQ(open_api_client({.url = url() + ending})->models(""),
              std::vector<std::string>{"stories"});
}

TEST_F(Client, SaysWhyItWasRefused) {
  Json body = chat(5);
  body.set("model", "other");

  const ApiReply reply = open()->generate(body, "", kIgnore);

  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.error, "model_not_found");
}

TEST_F(Client, HangsUpWhenNobodyListens) {
  const ApiReply reply = open()->generate(chat(1500), "", [](std::string_view) { return false; });

  EXPECT_EQ(reply.error, "cancelled");
  while (metric("kvshare_active_choices") > 0) std::this_thread::yield();
  EXPECT_EQ(metric(R"(kvshare_choices_total{reason="length"})"), 0);
}

TEST_F(Client, IsStoppedFromAnotherThread) {
  const auto client = open();
  std::thread stopper;
  const ApiReply reply = client->generate(chat(1900), "", [&](std::string_view) {
    if (!stopper.joinable()) stopper = std::thread([&] { client->stop(); });
    return true;
  });
  stopper.join();

  EXPECT_EQ(reply.error, "cancelled");
  EXPECT_EQ(client->generate(chat(5), "", kIgnore).error, "cancelled");
}

TEST_F(Client, SaysThatNobodyIsThere) {
  const std::string old = url();
  server.reset();
  const auto client = open_api_client({.url = old});

  EXPECT_EQ(client->generate(chat(5), "", kIgnore).error, "unreachable");
  const Error error = error_of([&] { client->models(""); });
  EXPECT_EQ(error.kind(), ErrorKind::io);
  EXPECT_EQ(error.what(), old + "/v1/models: cannot connect");
}

TEST(ApiClient, TellsASilentServerFromOneThatHangsUp) {
  httplib::Server silent;
  silent.Post("/v1/completions", [](const auto& request, httplib::Response& response) {
    const bool hangs_up = request.body.find("hang up") != std::string::npos;
    response.set_chunked_content_provider(
        "text/event-stream", [hangs_up](size_t, httplib::DataSink&) {
          if (!hangs_up) std::this_thread::sleep_for(std::chrono::milliseconds(400));
          return !hangs_up;
        });
  });
  const int port = silent.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { silent.listen_after_bind(); });
  const auto client =
      open_api_client({.url = "http://127.0.0.1:" + std::to_string(port), .timeout_ms = 100});
  const auto ignore = [](std::string_view) { return true; };

  EXPECT_EQ(client->generate(Json::Object{{"prompt", "wait"}}, "", ignore).error, "timeout");
  EXPECT_EQ(client->generate(Json::Object{{"prompt", "hang up"}}, "", ignore).error, "cut_off");

  silent.stop();
  thread.join();
}

// Reads a request from each of its connections, and answers those that it says; then hangs up.
class HangingUp {
 public:
  /// Requests that each connection in turn answers before it hangs up on the next one.
  explicit HangingUp(std::vector<int> answers) : answers_(std::move(answers)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(listening_, any, size) != 0 || listen(listening_, 8) != 0) std::abort();
    getsockname(listening_, any, &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~HangingUp() {
    thread_.join();
    close(listening_);
  }
  HangingUp(const HangingUp&) = delete;
  HangingUp& operator=(const HangingUp&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void serve() const {
    const std::string body = R"(data: {"choices":[{"text":"hello","finish_reason":"stop"}]})"
                             "\n\ndata: [DONE]\n\n";
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    for (const int count : answers_) {
      const int connection = accept(listening_, nullptr, nullptr);
      for (int number = 0; number < count && read_request(connection); ++number)
        if (write(connection, answer.data(), answer.size()) < 0) std::abort();
      read_request(connection);
      close(connection);
    }
  }

  static bool read_request(int connection) {
    std::string text, piece(1 << 16, '\0');
    while (text.find("hello") == std::string::npos) {
      const ssize_t size = read(connection, piece.data(), piece.size());
      if (size <= 0) return false;
      text.append(piece, 0, size);
    }
    return true;
  }

  int listening_ = socket(AF_INET, SOCK_STREAM, 0), port_ = 0;
  std::vector<int> answers_;
  std::thread thread_;
};

TEST(ApiClient, AsksAgainWhereAConnectionWasClosedBetweenRequests) {
  const HangingUp server({1, 0, 1});
  const auto client = open_api_client({.url = server.url(), .timeout_ms = 5000});
  std::string text;
  const auto ask = [&] {
    return client->generate(Json::Object{{"prompt", "hello"}}, "", [&](std::string_view piece) {
      text += piece;
      return true;
    });
  };

  EXPECT_EQ(ask().error, "");
  EXPECT_EQ(ask().error, "cut_off") << "the second connection hung up too";
  EXPECT_EQ(ask().error, "");
  EXPECT_EQ(text, "hellohello");
}

TEST(ApiClient, RefusesWhatIsNoUrl) {
  for (const char* url : {"", "localhost:8080", "ftp://host", "http://", "http:///v1", "http://a b",
                          "http://host?x=1", "http://user@host"}) {
    const Error error = error_of([&] { open_api_client({.url = url}); });
    EXPECT_EQ(error.kind(), ErrorKind::argument) << url;
  }
}

}  // namespace
}  // namespace kvs::test
