// How a server comes and goes.
#include <algorithm>
#include <string>
#include <thread>

#include "kvs/http_server.h"
#include "support/http_scene.h"

namespace kvs::test {
namespace {

std::string asking(const std::string& fields) {
  return R"({"prompt":"Once upon a time")" + fields + R"(,"max_tokens":20})";
}

class Lifecycle : public HttpScene {
 protected:
  void SetUp() override { start({}); }

  // Where the stream's first token has come.
  static void begin(RawClient& stream, const std::string& body) {
    stream.send("POST /v1/completions HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
    stream.receive("data: ");
  }
};

TEST_F(Lifecycle, FinishesWhatWasBegunWhenDrained) {
  RawClient stream(server->port());
  begin(stream, asking(R"(,"max_tokens":400,"stream":true)"));

  EXPECT_EQ(get("/ready").status, 200);
  std::string rest;
  std::thread reader([&] { rest = stream.receive("[DONE]"); });
  EXPECT_TRUE(server->drain(std::chrono::seconds(90)).answered);
  reader.join();

  EXPECT_NE(rest.find("[DONE]"), std::string::npos);
  EXPECT_EQ(get("/ready").status, 503);
  EXPECT_EQ(get("/health").status, 200);
  const Answer refused = post("/v1/completions", asking(""));
  EXPECT_EQ(refused.code(), "shutting_down");
  EXPECT_EQ(refused.headers.count("Retry-After"), 1u);
}

TEST_F(Lifecycle, SaysThatItLoadsUntilThereIsAModel) {
  server.reset();
  server = open_http_server({.port = 0, .model = "stories"});

  EXPECT_EQ(get("/health").json.get("status").as_string(), "loading");
  EXPECT_EQ(client().Get("/")->status, 200);
  for (const Answer& answer : {get("/ready"), get("/v1/models"), get("/metrics"), get("/decisions"),
                               post("/v1/completions", asking("")), post("/tokenize", "{")}) {
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.code(), "loading");
    EXPECT_EQ(answer.headers.count("Retry-After"), 1u);
  }
  EXPECT_NO_THROW(server->reload_keys());
  EXPECT_EQ(server->failure(), "");

  server->serve(model, *engine, &embedder, {});
  EXPECT_EQ(get("/health").json.get("status").as_string(), "ok");
  EXPECT_EQ(get("/ready").status, 200);
  EXPECT_EQ(post("/v1/completions", asking("")).status, 200);
}

TEST_F(Lifecycle, MayGoBeforeThereIsAModel) {
  server.reset();
  server = open_http_server({.port = 0});

  const HttpServer::Drained drained = server->drain(std::chrono::seconds(10));

  EXPECT_TRUE(drained.answered);
  EXPECT_TRUE(drained.written);
}

TEST_F(Lifecycle, EndsStreamsWhenItGoes) {
  RawClient stream(server->port());
  begin(stream, asking(R"(,"max_tokens":1900,"n":8,"logit_bias":{"2":-100},"stream":true)"));

  server.reset();

  const std::string all = stream.receive();
  EXPECT_NE(all.find(R"("code":"shutting_down")"), std::string::npos)
      << all.substr(all.size() - std::min<size_t>(all.size(), 500));
}

}  // namespace
}  // namespace kvs::test
