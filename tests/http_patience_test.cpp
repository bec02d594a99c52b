// Clients that are slow or gone, and a server that goes.
#include <netinet/tcp.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "serve/connection.h"
#include "support/http_scene.h"

namespace kvs::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::string post_of(const std::string& path, const std::string& body, size_t length) {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n" +
         body;
}

std::string post_of(const std::string& path, const std::string& body) {
  return post_of(path, body, body.size());
}

bool eventually(const std::function<bool()>& holds) {
  for (int tries = 0; tries < 600 && !holds(); ++tries)
    std::this_thread::sleep_for(milliseconds(50));
  return holds();
}

// Takes its time for each text.
class SlowEmbedder : public Embedder {
 public:
  std::string name() const override { return "static"; }
  int dim() const override { return 2; }
  std::vector<float> embed(std::span<const int32_t>) const override {
    ++calls;
    std::this_thread::sleep_for(milliseconds(20));
    return {1, 0};
  }
  mutable std::atomic<int> calls = 0;
};

class Patience : public HttpScene {
 protected:
  ~Patience() override { server.reset(); }  // before the embedder goes

  bool idle() const {
    return metric("kvshare_active_choices") == 0 && metric("kvshare_waiting_choices") == 0;
  }
  /// Whose embedder is slow.
  void start_slow() {
    start({});
    server.reset();
    server = start_http_server(model, *engine, &slow, {.port = 0});
  }
  double cancelled() const { return metric(R"(kvshare_choices_total{reason="cancelled"})"); }

  const SlowEmbedder slow;
};

std::string inputs(int count) {
  std::string body = R"({"input":["a")";
  for (int i = 1; i < count; ++i) body += R"(,"a")";
  return body + "]}";
}

TEST_F(Patience, CountsAnswersWhoseClientsVanish) {
  start({});
  const std::string fields = R"({"prompt":"Once upon a time","max_tokens":2000,"n":2,
      "logit_bias":{"2":-100},"stream":)";
  for (const std::string stream : {"true}", "false}"}) {
    RawClient client(server->port());
    client.send(post_of("/v1/completions", fields + stream));
    if (stream == "true}") client.receive("data: ");
  }

  ASSERT_TRUE(eventually([&] { return cancelled() == 4 && idle(); }));
  const double generated = metric("kvshare_generated_tokens_total");
  EXPECT_GT(generated, 0);
  EXPECT_LT(generated, 4 * 1900);
  EXPECT_GT(metric("kvshare_prompt_tokens_total"), 0);
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_EQ(metric("kvshare_generated_tokens_total"), generated);
}

// They pause as soon as some KiB wait, and end with the time for a client that takes nothing.
TEST_F(Patience, EndsAnswersThatNobodyTakes) {
  HttpOptions options;
  options.write_timeout_ms = 2000;
  start(options);
  RawClient client(server->port(), /*narrow=*/true);
  client.send(post_of("/v1/completions", R"({"prompt":"Once upon a time","max_tokens":2000,"n":4,
      "logprobs":20,"logit_bias":{"2":-100},"stream":true})"));
  client.receive("data: ");

  EXPECT_EQ(post("/v1/completions", R"({"prompt":"The dog","max_tokens":3})").status, 200);
  EXPECT_TRUE(eventually([&] { return cancelled() == 4 && idle(); }));
  EXPECT_LT(metric("kvshare_generated_tokens_total"), 4 * 1900);
}

TEST_F(Patience, DoesNotOutlastHalfSentRequestsWhenTheServerGoes) {
  start({});
  RawClient head(server->port()), body(server->port()), idle(server->port());
  head.send("GET /health HT");
  body.send(post_of("/tokenize", "{", 100));
  std::this_thread::sleep_for(milliseconds(200));
  const auto begun = Clock::now();

  EXPECT_TRUE(server->drain(seconds(25)).answered);
  EXPECT_LT(Clock::now() - begun, seconds(15));
  EXPECT_NE(body.receive().find(R"("code":"shutting_down")"), std::string::npos);
  server.reset();

  EXPECT_LT(Clock::now() - begun, seconds(20));
}

TEST_F(Patience, EndsAnswersThatTakeLongerThanTheServerHas) {
  start({});
  RawClient stream(server->port());
  stream.send(post_of("/v1/completions", R"({"prompt":"Once upon a time","max_tokens":2000,"n":8,
      "logit_bias":{"2":-100},"stream":true})"));
  stream.receive("data: ");
  const auto begun = Clock::now();

  const HttpServer::Drained drained = server->drain(milliseconds(300));
  server.reset();

  EXPECT_FALSE(drained.answered);
  EXPECT_LT(Clock::now() - begun, seconds(10));
  EXPECT_NE(stream.receive().find(R"("code":"shutting_down")"), std::string::npos);
}

TEST_F(Patience, StopsToEmbedForAClientThatHasLeft) {
  start_slow();
  {
    RawClient client(server->port());
    client.send(post_of("/v1/embeddings", inputs(1500)));
    ASSERT_TRUE(eventually([&] { return slow.calls > 2; }));
    EXPECT_EQ(post("/v1/embeddings", inputs(2)).status, 200);  // they take turns
  }

  ASSERT_TRUE(eventually([&] {
    return metric(R"(kvshare_requests_total{route="/v1/embeddings",)"
                  R"(status="499"})") == 1;
  }));
  const int calls = slow.calls;
  EXPECT_LT(calls, 1000);
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(slow.calls, calls);
}

TEST_F(Patience, StopsToEmbedWhenTheServerGoes) {
  start_slow();
  RawClient client(server->port());
  client.send(post_of("/v1/embeddings", inputs(1500)));
  ASSERT_TRUE(eventually([&] { return slow.calls > 2; }));

  server.reset();

  EXPECT_LT(slow.calls, 1000);
  EXPECT_NE(client.receive().find(R"("code":"shutting_down")"), std::string::npos);
}

// A kilobyte in 0.6 s, each in time, and together too slow.
TEST(AConnection, IsNotKeptByAClientThatTakesLittleAtATime) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const int small = 4608;
  setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    char buffer[1024];
    while (!stop && ::recv(sockets[1], buffer, sizeof(buffer), 0) > 0)
      std::this_thread::sleep_for(milliseconds(600));
  });
  const auto begun = Clock::now();
  {
    const Connection::Patience patience{.request_ms = 1000};
    Connection connection(sockets[0], {.write_ms = 1500, .request_ms = 1000}, patience);
    connection.begin_request();
    const std::string kilobyte(1024, 'x');
    while (connection.write(kilobyte.data(), kilobyte.size()) > 0 &&
           Clock::now() - begun < seconds(30)) {
    }
  }

  EXPECT_LT(Clock::now() - begun, seconds(30));
  stop = true;
  reader.join();
  ::close(sockets[1]);
}

}  // namespace
}  // namespace kvs::test
