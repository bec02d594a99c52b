// Clients that are careless, slow or hostile.
#include <thread>

#include "support/http_scene.h"

namespace kvs::test {
namespace {

constexpr size_t kMega = 1 << 20;

std::string head(const std::string& path, size_t length, const std::string& more = "") {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(length) + "\r\n" +
         more + "\r\n";
}

// Keeps a connection, surely: the server has read its head.
class HalfSent : public RawClient {
 public:
  explicit HalfSent(int port) : RawClient(port) {
    send(head("/tokenize", 2, "Expect: 100-continue\r\n"));
    receive("\r\n\r\n");
  }
};

class BadClients : public HttpScene {
 protected:
  void SetUp() override {
    start({.max_body_bytes = 11 * kMega, .max_header_bytes = 4096, .request_timeout_ms = 400});
  }
  void expect_alive() const { EXPECT_EQ(get("/health").status, 200); }
  bool idle() const {
    return metric("kvshare_active_choices") == 0 && metric("kvshare_waiting_choices") == 0;
  }
  double cancelled() const { return metric(R"(kvshare_choices_total{reason="cancelled"})"); }
  static bool eventually(const std::function<bool()>& holds) {
    for (int tries = 0; tries < 600; ++tries) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  }
};

TEST_F(BadClients, AreToldWhatIsWrongWithABody) {
  EXPECT_EQ(post("/v1/completions", "{").code(), "invalid_json");
  EXPECT_EQ(post("/v1/completions", "").code(), "invalid_json");
  EXPECT_EQ(post("/v1/completions", "{\"prompt\":\"\xC3\"}").code(), "invalid_utf8");
  EXPECT_EQ(post("/v1/completions", R"({"prompt":7})").code(), "invalid_value");
  EXPECT_EQ(post("/v1/completions", R"({"prompt":""})").status, 200);  // a start token alone
  EXPECT_EQ(post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"x"}],
      "tools":[{"type":"function"}]})")
                .code(),
            "unsupported");
  EXPECT_EQ(post("/v1/completions", std::string(600, '[')).code(), "invalid_json");
}

TEST_F(BadClients, CannotAskForMoreProbabilitiesThanAreHeld) {
  const Answer answer =
      post("/v1/completions", R"({"prompt":"x","n":64,"logprobs":20,"max_tokens":2000})");

  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code(), "too_large");
  EXPECT_EQ(answer.json.get("error").get("param").as_string(), "logprobs");
}

// The model's context is 2,048.
TEST_F(BadClients, CannotMakeTheServerHoldManyTimesWhatTheySend) {
  std::string list = "5";
  for (int i = 0; i < 20'000; ++i) list += ",5";

  for (const char* path : {"/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"})
    EXPECT_EQ(post(path, R"({"prompt":[)" + list + "]}").code(), "too_large") << path;
  EXPECT_EQ(post("/tokenize", R"({"prompt":")" + list + R"("})").code(), "too_large");

  start({.max_body_bytes = 2000});
  std::string ids = "374";  // seven bytes
  for (int i = 0; i < 400; ++i) ids += ",374";
  const Answer text = post("/detokenize", R"({"tokens":[)" + ids + "]}");
  EXPECT_EQ(text.json.get("error").get("param").as_string(), "tokens");
}

// As a page in a browser does, whose own name was made to lead here.
TEST_F(BadClients, CannotCallTheServerByAnotherName) {
  start({.allowed_hosts = {"kvs.lan"}});

  EXPECT_EQ(get("/v1/models", {{"Host", "evil.example"}}).code(), "unknown_host");
  EXPECT_EQ(get("/metrics", {{"Host", "evil.example"}}).status, 403);
  EXPECT_EQ(remove("/v1/kvshare/donors?tenant=", {{"Host", "evil.example"}}).status, 403);
  for (const char* host : {"localhost:8080", "kvs.lan", "[::1]:80", "192.168.1.5"})
    EXPECT_EQ(get("/v1/models", {{"Host", host}}).status, 200) << host;
}

TEST_F(BadClients, AreToldThatAPromptIsTooLong) {
  std::string text;
  for (int i = 0; i < 2100; ++i) text += "5,";
  const Answer answer = post("/v1/completions", R"({"prompt":[)" + text + "5]}");

  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.code(), "context_length_exceeded");
}

TEST_F(BadClients, MaySendLargeBodiesUpToTheLimit) {
  const std::string large = R"({"unknown":")" + std::string(10 * kMega, 'x') + "\"}";
  const std::string larger(12 * kMega, 'x');

  start({.max_body_bytes = 11 * kMega});
  EXPECT_EQ(post("/v1/completions", large).code(), "missing");
  EXPECT_EQ(post("/v1/completions", larger).code(), "body_too_large");
  EXPECT_EQ(post("/v1/completions", large, {{"Expect", "100-continue"}}).code(), "missing");
  expect_alive();
}

TEST_F(BadClients, AreToldBeforeTheySendWhatIsTooLarge) {
  RawClient large(server->port()), fitting(server->port());
  large.send(head("/v1/completions", 12 * kMega, "Expect: 100-continue\r\n"));
  fitting.send(head("/v1/completions", 2, "Expect: 100-continue\r\n"));

  EXPECT_TRUE(large.receive().starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(fitting.receive("\r\n\r\n").starts_with("HTTP/1.1 100"));
  fitting.send("{}");
  EXPECT_NE(fitting.receive("missing").find("HTTP/1.1 400"), std::string::npos);
}

TEST_F(BadClients, CannotHideALargeBodyInChunks) {
  start({.max_body_bytes = kMega});
  RawClient client(server->port());
  client.send("POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  for (int i = 0; i < 40; ++i)
    if (!client.send(chunk)) break;

  EXPECT_TRUE(client.receive().starts_with("HTTP/1.1 413"));
  expect_alive();
}

TEST_F(BadClients, CannotHideALargeBodyInCompression) {
  const Answer answer = post("/v1/completions", "x", {{"Content-Encoding", "gzip"}});

  EXPECT_EQ(answer.status, 415);
}

// What curl -d sends, where it is told no type.
TEST_F(BadClients, MaySendLargeBodiesAsForms) {
  const std::string text(15000, 'x');
  const auto result = client().Post("/tokenize", R"({"prompt":")" + text + "\"}",
                                    "application/x-www-form-urlencoded");

  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  EXPECT_GT(answer_of(result).json.get("count").as_int(), 1000);
  EXPECT_EQ(answer_of(client().Post("/tokenize", std::string(12 * kMega, 'x'),
                                    "application/x-www-form-urlencoded"))
                .code(),
            "body_too_large");
  expect_alive();
}

TEST_F(BadClients, CannotSendBodiesInParts) {
  const Answer answer =
      answer_of(client().Post("/tokenize", "x", "multipart/form-data; boundary=y"));

  EXPECT_EQ(answer.code(), "unsupported");
  expect_alive();
}

TEST_F(BadClients, CannotHideARequestInABody) {
  const std::string hidden = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string length = "Content-Length: " + std::to_string(hidden.size()) + "\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string to_health = " /health HTTP/1.1\r\nHost: localhost\r\n";
  const std::string post = "POST /tokenize HTTP/1.1\r\nHost: localhost\r\n";
  const std::string requests[] = {
      "GET" + to_health + length + "\r\n" + hidden,
      "HEAD" + to_health + length + "\r\n" + hidden,
      "OPTIONS" + to_health + length + "\r\n" + hidden,
      "GET" + to_health + chunked + "\r\n0\r\n\r\n" + hidden,
      "DELETE" + to_health + chunked + "\r\n2\r\n{}\r\n0\r\n\r\n" + hidden,
      post + "Content-Length: 0\r\n" + length + "\r\n" + hidden,
      post + "Content-Length: 0\n" + length + "\r\n" + hidden,
      post + "Content-Length : 9\r\nContent-Length: 0\r\n\r\n" + hidden,
      post + "Content-Length: %30\r\n\r\n" + hidden,
      post + "Content-Length: 0\r\n" + chunked + "\r\n" + hidden,
      post + "Content-Length: 0\r\nTransfer-Encoding: xchunked\r\n\r\n" + hidden,
      post + chunked + "\r\n2\r\n{}" + hidden};

  for (const std::string& request : requests) {
    RawClient client(server->port());
    client.send(request);
    const std::string answers = client.receive();
    EXPECT_TRUE(answers.starts_with("HTTP/1.1 4")) << request << answers;
    EXPECT_EQ(answers.find("HTTP/1.1 ", 1), std::string::npos) << request << answers;
  }
  expect_alive();
}

TEST_F(BadClients, AreToldThatALengthIsMissing) {
  RawClient client(server->port());
  client.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n\r\n");

  EXPECT_TRUE(client.receive().starts_with("HTTP/1.1 411"));
}

TEST_F(BadClients, GetWholeAnswersHoweverManyRangesTheyAskFor) {
  std::string ranges = "bytes=0-";
  while (ranges.size() < 3900) ranges += ",0-";
  const auto page = client().Get("/", {{"Range", ranges}});
  const auto part = client().Get("/health", {{"Range", "bytes=3-4"}});

  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->body, client().Get("/")->body);
  EXPECT_EQ(part->status, 200);
  EXPECT_EQ(part->body, R"({"status":"ok"})");
}

TEST_F(BadClients, CannotSendEndlessHeaders) {
  RawClient long_line(server->port()), many(server->port());
  long_line.send("GET /" + std::string(100000, 'x'));
  many.send("GET /health HTTP/1.1\r\n");
  for (int i = 0; i < 1000; ++i)
    if (!many.send("X-" + std::to_string(i) + ": y\r\n")) break;

  EXPECT_EQ(long_line.receive().find("200 OK"), std::string::npos);
  EXPECT_EQ(many.receive().find("200 OK"), std::string::npos);
  expect_alive();
}

TEST_F(BadClients, AreToldThatTheirHeadIsTooLarge) {
  start({});
  RawClient many(server->port()), wide(server->port());
  many.send("GET /health HTTP/1.1\r\n");
  for (int i = 0; i < 20; ++i) many.send("X: " + std::string(4000, 'y') + "\r\n");
  wide.send("GET /health HTTP/1.1\r\nX: " + std::string(9000, 'y') + "\r\n\r\n");

  for (RawClient* client : {&many, &wide}) {
    const std::string answer = client->receive();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 431")) << answer;
    EXPECT_NE(answer.find("head_too_large"), std::string::npos) << answer;
  }
}

TEST_F(BadClients, CannotHoldAConnectionWithHalfARequest) {
  RawClient nothing(server->port()), line(server->port()), body(server->port());
  line.send("GET /health HT");
  body.send(head("/v1/completions", 100) + "{\"prompt\":");

  EXPECT_EQ(line.receive(), "");
  EXPECT_TRUE(body.receive().starts_with("HTTP/1.1 408"));
  expect_alive();
}

TEST_F(BadClients, MayVanishInMidStream) {
  const std::string request =
      R"({"prompt":"Once upon a time","max_tokens":2000,"stream":true,"logit_bias":{"2":-100}})";
  for (int i = 0; i < 10; ++i) {
    RawClient client(server->port());
    client.send(head("/v1/completions", request.size()) + request);
    client.receive("data: ");
  }

  EXPECT_TRUE(eventually([&] { return idle() && cancelled() == 10; }));
  EXPECT_LT(metric("kvshare_generated_tokens_total"), 10 * 1900);
  expect_alive();
}

TEST_F(BadClients, MayVanishBeforeAnAnswer) {
  const std::string request =
      R"({"prompt":"Once upon a time","max_tokens":2000,"logit_bias":{"2":-100},"n":8})";
  for (int i = 0; i < 5; ++i) {
    RawClient client(server->port());
    client.send(head("/v1/completions", request.size()) + request);
  }

  EXPECT_TRUE(eventually([&] { return idle() && cancelled() == 5 * 8; }));
  EXPECT_LT(metric("kvshare_generated_tokens_total"), 5 * 8 * 1900);
  expect_alive();
}

TEST_F(BadClients, MaySendSeveralRequestsOverOneConnection) {
  RawClient client(server->port());
  client.send("GET /health HTTP/1.1\r\n\r\nGET /ready HTTP/1.1\r\nConnection: close\r\n\r\n");

  const std::string answers = client.receive();

  EXPECT_NE(answers.find(R"({"status":"ok"})"), std::string::npos);
  EXPECT_NE(answers.find(R"({"status":"ready"})"), std::string::npos);
}

TEST_F(BadClients, MayBeTooOldForChunks) {
  const std::string request = R"({"prompt":"Once upon a time","max_tokens":3,"stream":true})";
  RawClient client(server->port());
  client.send("POST /v1/completions HTTP/1.0\r\nContent-Length: " + std::to_string(request.size()) +
              "\r\n\r\n" + request);

  const std::string answer = client.receive();

  EXPECT_EQ(answer.find("Transfer-Encoding"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\n\ndata: [DONE]\n\n")) << answer;
}

TEST_F(BadClients, AreToldToComeAgainWhereThereAreTooMany) {
  start({.connections = 1});
  const HalfSent first(server->port());

  const Answer second = get("/v1/models");

  EXPECT_EQ(second.status, 503);
  EXPECT_EQ(second.code(), "overloaded");
  EXPECT_EQ(second.headers.count("Retry-After"), 1u);
}

TEST_F(BadClients, DoNotHideTheServerFromWhoeverWatchesIt) {
  start({.connections = 1});
  const HalfSent first(server->port());

  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/ready").status, 200);
  EXPECT_EQ(get("/metrics").status, 200);
}

TEST_F(BadClients, GiveWayWhereConnectionsRunOut) {
  start({.connections = 3, .keep_alive_ms = 600'000});
  RawClient idle(server->port());
  idle.send("GET /health HTTP/1.1\r\n\r\n");
  idle.receive("}");  // and stays
  const HalfSent second(server->port()), third(server->port());

  EXPECT_TRUE(eventually([&] { return get("/v1/models").status == 200; }));
  EXPECT_EQ(idle.receive().find("Connection: close"), std::string::npos);  // when it was answered
}

TEST_F(BadClients, AreToldThatTheirConnectionEndsWhereThereAreMany) {
  start({.connections = 2});
  const HalfSent first(server->port());

  RawClient second(server->port());
  second.send("GET /health HTTP/1.1\r\n\r\n");

  const std::string answer = second.receive();

  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  EXPECT_EQ(answer.find("Keep-Alive"), std::string::npos);
}

TEST_F(BadClients, AreNotToldThatAConnectionStaysWhichEnds) {
  RawClient client(server->port());
  client.send("GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n");

  const std::string answer = client.receive();

  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  EXPECT_EQ(answer.find("Keep-Alive"), std::string::npos) << answer;
}

TEST_F(BadClients, AreToldToComeAgainWhereTheQueueIsFull) {
  start({.max_waiting = 1}, /*parallel=*/1);
  RawClient first(server->port());
  const std::string request =
      R"({"prompt":"x","max_tokens":2000,"n":8,"stream":true,"logit_bias":{"2":-100}})";
  first.send(head("/v1/completions", request.size()) + request);
  first.receive("\"text\"");

  const Answer second = post("/v1/completions", R"({"prompt":"y"})");

  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(second.code(), "queue_full");
}

TEST_F(BadClients, GetAPageThatAsksNobodyElse) {
  const auto page = client().Get("/");

  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_TRUE(page->has_header("Content-Security-Policy"));
  EXPECT_EQ(page->body.find("src="), std::string::npos);
  EXPECT_EQ(page->body.find("https:"), std::string::npos);
  EXPECT_EQ(page->body.find("HTML"), std::string::npos);  // innerHTML: it shows all as text
}

TEST_F(BadClients, GetAPageThatKnowsEveryReason) {
  const std::string page = client().Get("/")->body;

  for (const ReuseReason reason :
       {ReuseReason::off, ReuseReason::too_short, ReuseReason::no_donor,
        ReuseReason::below_threshold, ReuseReason::unprofitable, ReuseReason::guard})
    EXPECT_NE(page.find(std::string("\n  ") + reuse_reason_name(reason) + ": \""),
              std::string::npos)
        << reuse_reason_name(reason);
}

TEST_F(BadClients, AreToldThatThereIsNothing) {
  EXPECT_EQ(get("/nothing").code(), "unknown_route");
  EXPECT_EQ(get("/" + std::string(2000, 'x')).status, 414);
  EXPECT_EQ(client().Head("/health")->status, 200);
  EXPECT_EQ(get("/metrics").json.as_string().find("nothing"), std::string::npos);
}

}  // namespace
}  // namespace kvs::test
