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

TEST(ApiClient, RefusesWhatIsNoUrl) {
  for (const char* url : {"", "localhost:8080", "ftp://host", "http://", "http:///v1", "http://a b",
                          "http://host?x=1", "http://user@host"}) {
    const Error error = error_of([&] { open_api_client({.url = url}); });
    EXPECT_EQ(error.kind(), ErrorKind::argument) << url;
  }
}

}  // namespace
}  // namespace kvs::test
