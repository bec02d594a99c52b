#include "kvs/http_server.h"

#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#include "support/http_scene.h"

namespace kvs::test {
namespace {

constexpr const char* kPrompt =
    R"("prompt":"Once upon a time, Tim had a red car and a blue ball. One day Tim saw")";

// Of a field that is there twice the first counts.
std::string completion(const std::string& fields) {
  return std::string("{") + kPrompt + fields + R"(,"max_tokens":20,"temperature":0})";
}

class Server : public HttpScene {
 protected:
  void SetUp() override { start({}); }
  std::string text_of(const std::string& fields) const {
    return post("/v1/completions", completion(fields)).choice().get("text").as_string();
  }
};

TEST_F(Server, AnswersAChat) {
  const std::string body =
      R"({"model":"stories","messages":[{"role":"user","content":"Tell me a story"}],
          "max_tokens":5,"temperature":0})";

  const Answer answer = post("/v1/chat/completions", body);

  ASSERT_EQ(answer.status, 200) << answer.json.dump();
  EXPECT_TRUE(answer.json.get("id").as_string().starts_with("chatcmpl-"));
  EXPECT_EQ(answer.json.get("object").as_string(), "chat.completion");
  EXPECT_EQ(answer.choice().get("message").get("role").as_string(), "assistant");
  EXPECT_EQ(answer.choice().get("finish_reason").as_string(), "length");
  EXPECT_EQ(answer.json.get("usage").get("completion_tokens").as_int(), 5);
  EXPECT_EQ(answer.cached(), 0);
  EXPECT_EQ(answer.json.get("kvshare").get("reason").as_string(), "no_donor");
  EXPECT_TRUE(answer.headers.find("x-request-id")->second.starts_with("req-"));
}

TEST_F(Server, CallsARequestAsItsClientDoes) {
  const auto id_for = [&](const std::string& given) {
    return get("/health", {{"x-request-id", given}}).headers.find("x-request-id")->second;
  };

  EXPECT_EQ(id_for("7f3a-1_b.C"), "7f3a-1_b.C");
  EXPECT_EQ(id_for(std::string(128, 'x')), std::string(128, 'x'));
  for (const std::string& given : {std::string(129, 'x'), std::string("a b"), std::string("\"")})
    EXPECT_TRUE(id_for(given).starts_with("req-")) << given;
}

TEST_F(Server, CountsWhatWasNotComputed) {
  const Answer cold = post("/v1/completions", completion(""));
  const Answer warm = post("/v1/completions", completion(""));

  const int64_t prompt = cold.json.get("usage").get("prompt_tokens").as_int();
  EXPECT_EQ(cold.cached(), 0);
  EXPECT_EQ(warm.cached(), prompt - 1);  // the last token is computed always
  EXPECT_EQ(warm.choice().get("text").as_string(), cold.choice().get("text").as_string());
  EXPECT_EQ(warm.json.get("kvshare").get("donors").as_array().at(0).get("id").as_string(),
            cold.json.get("id").as_string());
}

TEST_F(Server, StreamsWhatItAnswersWhole) {
  const std::string whole = text_of("");

  const auto result = client().Post(
      "/v1/completions", completion(R"(,"stream":true,"stream_options":{"include_usage":true})"),
      "application/json");

  ASSERT_TRUE(result);
  EXPECT_EQ(result->get_header_value("Content-Type"), "text/event-stream");
  const std::vector<Json> events = events_of(result->body);
  std::string text;
  for (size_t i = 0; i + 2 < events.size(); ++i) {
    EXPECT_TRUE(events[i].get("usage").is_null());
    EXPECT_EQ(events[i].get("id").dump(), events[0].get("id").dump());
    text += events[i].get("choices").as_array().at(0).get("text").as_string();
  }
  EXPECT_EQ(text, whole);
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events[events.size() - 2].get("choices").dump(), "[]");
  EXPECT_EQ(events[events.size() - 2].get("usage").get("completion_tokens").as_int(), 20);
  EXPECT_EQ(events.back().dump(), "\"[DONE]\"");
}

TEST_F(Server, OpensAStreamedChatWithItsRole) {
  const std::string body =
      R"({"messages":[{"role":"user","content":"hi"}],"max_tokens":3,"n":2,"stream":true})";

  const auto result = client().Post("/v1/chat/completions", body, "application/json");

  ASSERT_TRUE(result);
  std::set<int64_t> opened, closed;
  for (const Json& event : events_of(result->body)) {
    if (event.is_string()) continue;
    EXPECT_EQ(event.find("usage"), nullptr);
    const Json& choice = event.get("choices").as_array().at(0);
    if (choice.get("delta").find("role")) opened.insert(choice.get("index").as_int());
    if (choice.get("finish_reason").is_string()) closed.insert(choice.get("index").as_int());
  }
  EXPECT_EQ(opened, (std::set<int64_t>{0, 1}));
  EXPECT_EQ(closed, opened);
}

TEST_F(Server, SendsPingsIntoSilence) {
  start({.ping_ms = 0});

  const auto result =
      client().Post("/v1/completions", completion(R"(,"stream":true)"), "application/json");

  EXPECT_NE(result->body.find(": ping\n\n"), std::string::npos);
  EXPECT_EQ(events_of(result->body).back().dump(), "\"[DONE]\"");
}

TEST_F(Server, ObeysSamplingFields) {
  const std::string plain = text_of("");
  const std::string drawn = R"(,"temperature":1.5,"seed":)";

  EXPECT_EQ(text_of(drawn + "4"), text_of(drawn + "4"));
  EXPECT_NE(text_of(drawn + "4"), text_of(drawn + "5"));
  EXPECT_NE(text_of(R"(,"frequency_penalty":2,"presence_penalty":2,"max_tokens":60)"),
            text_of(R"(,"max_tokens":60)"));
  EXPECT_EQ(text_of(R"(,"echo":true)"),
            "Once upon a time, Tim had a red car and a blue ball. One day Tim saw" + plain);
  EXPECT_EQ(text_of(R"(,"stop":")" + plain.substr(5, 3) + "\""), plain.substr(0, 5));
}

TEST_F(Server, ObeysABias) {
  const Answer answer =
      post("/v1/completions", completion(R"(,"max_tokens":3,"logit_bias":{"300":100})"));
  const Answer expected = post("/detokenize", R"({"tokens":[300,300,300]})");

  EXPECT_EQ(answer.choice().get("text").as_string(), expected.json.get("prompt").as_string());
}

TEST_F(Server, ComputesAPromptAnewWhereItIsAskedTo) {
  const Answer cold = post("/v1/completions", completion(""));
  const Answer again = post("/v1/completions", completion(R"(,"cache_prompt":false)"));

  EXPECT_EQ(again.cached(), 0);
  EXPECT_EQ(again.json.get("kvshare").get("reason").as_string(), "off");
  EXPECT_EQ(again.choice().get("text").as_string(), cold.choice().get("text").as_string());
  EXPECT_GT(post("/v1/completions", completion("")).cached(), 0);
}

// The bias makes the end the most likely token.
TEST_F(Server, GoesOnBehindTheEndWhereItIsAskedTo) {
  const std::string ends = R"(,"logit_bias":{"2":90})";

  const Answer answer = post("/v1/completions", completion(ends));
  const Answer longer = post("/v1/completions", completion(ends + R"(,"ignore_eos":true)"));

  EXPECT_EQ(answer.choice().get("finish_reason").as_string(), "stop");
  EXPECT_EQ(longer.choice().get("finish_reason").as_string(), "length");
}

TEST_F(Server, SaysHowLikelyTokensWere) {
  const Answer answer = post("/v1/completions", completion(R"(,"logprobs":3)"));

  const Json& logprobs = answer.choice().get("logprobs");
  EXPECT_EQ(logprobs.get("tokens").as_array().size(), 20u);
  for (const Json& top : logprobs.get("top_logprobs").as_array())
    EXPECT_EQ(top.as_object().size(), 3u);
  std::string text;
  for (const Json& token : logprobs.get("tokens").as_array()) text += token.as_string();
  EXPECT_EQ(text, " " + answer.choice().get("text").as_string());  // which begins with a word
}

TEST_F(Server, EndsAnAnswerWhereItsMemoryEnds) {
  start({}, 8, /*blocks=*/4);
  std::string ids = "5";
  for (int i = 0; i < 150; ++i) ids += ",5";
  const auto ask = [&](const std::string& prompt) {
    return post("/v1/completions", R"({"prompt":[)" + prompt +
                                       R"(],"max_tokens":200,"temperature":0,"ignore_eos":true})");
  };

  const Answer answer = ask(ids), longer = ask(ids + "," + ids);

  EXPECT_EQ(answer.status, 200) << answer.json.dump();
  EXPECT_EQ(answer.json.get("usage").get("total_tokens").as_int(), 3 * 64);
  EXPECT_EQ(answer.choice().get("finish_reason").as_string(), "length");
  EXPECT_EQ(longer.code(), "context_length_exceeded");
  EXPECT_EQ(get("/v1/models/stories").json.get("max_model_len").as_int(), 3 * 64);
}

TEST_F(Server, LeavesRoomForWhatIsPinned) {
  make_engine(/*parallel=*/8, /*blocks=*/8);
  engine->run({.id = "policy", .tokens = std::vector<int32_t>(100, 5), .tenant = "acme"});
  ASSERT_TRUE(engine->donors().pin("acme", "policy"));
  open({});

  const Answer answer = post(
      "/v1/completions", R"({"prompt":"Tim","max_tokens":500,"temperature":0,"ignore_eos":true})");

  const int64_t room = get("/v1/models/stories").json.get("max_model_len").as_int();
  EXPECT_EQ(answer.status, 200) << answer.json.dump();
  EXPECT_EQ(answer.json.get("usage").get("total_tokens").as_int(), room);
  EXPECT_LE(room, (8 - 2 - 1) * 64);
}

TEST_F(Server, AnswersSeveralPromptsWithSeveralChoices) {
  const Answer answer = post(
      "/v1/completions", R"({"prompt":["The dog","Lily"],"n":2,"max_tokens":4,"temperature":0})");

  ASSERT_EQ(answer.json.get("choices").as_array().size(), 4u);
  EXPECT_EQ(answer.choice(0).get("text").dump(), answer.choice(1).get("text").dump());
  EXPECT_NE(answer.choice(1).get("text").dump(), answer.choice(2).get("text").dump());
  EXPECT_EQ(answer.json.get("usage").get("completion_tokens").as_int(), 16);
}

TEST_F(Server, NamesItsModels) {
  EXPECT_EQ(get("/v1/models").json.get("data").as_array().at(0).get("id").as_string(), "stories");
  EXPECT_EQ(get("/v1/models/stories").json.get("max_model_len").as_int(), 2048);
  EXPECT_EQ(get("/v1/models/other").code(), "model_not_found");
  EXPECT_EQ(post("/v1/completions", completion(R"(,"model":"other")")).status, 404);
}

TEST_F(Server, EmbedsTheSameInBothEncodings) {
  const Answer plain = post("/v1/embeddings", R"({"model":"static","input":["Tim","a ball"]})");
  const Answer coded = post("/v1/embeddings", R"({"input":"a ball","encoding_format":"base64"})");

  ASSERT_EQ(plain.status, 200) << plain.json.dump();
  const Json& vector = plain.json.get("data").as_array().at(1).get("embedding");
  double norm = 0;
  for (const Json& value : vector.as_array()) norm += value.as_number() * value.as_number();
  EXPECT_NEAR(norm, 1, 1e-5);
  const size_t bytes = vector.as_array().size() * 4;
  EXPECT_EQ(coded.json.get("data").as_array().at(0).get("embedding").as_string().size(),
            (bytes + 2) / 3 * 4);
}

TEST_F(Server, SaysWhichTextItCannotEmbed) {
  const Answer none = post("/v1/embeddings", R"({"input":["Tim",""]})");
  std::string text;
  for (int i = 0; i < 2100; ++i) text += "5,";
  const Answer longer = post("/v1/embeddings", R"({"input":[[)" + text + "5]]}");

  EXPECT_EQ(post("/v1/embeddings", R"({"input":""})").status, 400);
  EXPECT_EQ(none.code(), "invalid_value");
  EXPECT_EQ(none.json.get("error").get("param").dump(), R"("input")");
  EXPECT_EQ(longer.code(), "context_length_exceeded");
  EXPECT_EQ(longer.json.get("error").get("param").dump(), R"("input")");
}

TEST_F(Server, DoesNotTakeTokensForTexts) {
  std::string tokens = "5", texts = R"("a")";
  for (int i = 0; i < 2050; ++i) {
    tokens += ",5";
    texts += R"(,"a")";
  }

  const auto code = [&](const std::string& list) {
    return post("/v1/embeddings", R"({"input":[)" + list + "]}").code();
  };
  EXPECT_EQ(code(tokens), "context_length_exceeded");  // of 2,048, like the limit for texts
  EXPECT_EQ(code(texts), "invalid_value");
}

TEST_F(Server, OwnsUpToItsFaults) {
  class BrokenEmbedder : public Embedder {
   public:
    std::string name() const override { return "static"; }
    int dim() const override { return 2; }
    std::vector<float> embed(std::span<const int32_t>) const override {
      throw std::runtime_error("a secret");
    }
  };
  const BrokenEmbedder broken;
  server.reset();
  server = start_http_server(model, *engine, &broken, {.port = 0});

  const Answer answer = post("/v1/embeddings", R"({"input":"a"})");

  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.code(), "failed");
  EXPECT_EQ(answer.json.get("error").get("type").as_string(), "server_error");
  EXPECT_EQ(answer.json.dump().find("secret"), std::string::npos);
}

TEST_F(Server, KeepsPromptsInItsLogWhereItIsAskedTo) {
  std::mutex mutex;
  std::string log;
  start({.log_prompts = true, .log = [&](std::string_view line) {
           const std::lock_guard lock(mutex);
           log += line;
         }});
  post("/v1/completions", completion(""));
  server.reset();

  EXPECT_NE(log.find(R"("prompts":[)"), std::string::npos);
  EXPECT_NE(log.find("Tim had a red car"), std::string::npos);
}

TEST_F(Server, TakesTextToTokensAndBack) {
  const Answer tokens =
      post("/tokenize", R"({"prompt":"Lily saw a ball","add_special_tokens":false})");

  EXPECT_EQ(tokens.json.get("count").as_int(),
            static_cast<int64_t>(tokens.json.get("tokens").as_array().size()));
  const Answer text = post("/detokenize", R"({"tokens":)" + tokens.json.get("tokens").dump() + "}");
  EXPECT_NE(text.json.get("prompt").as_string().find("Lily saw a ball"), std::string::npos);
}

TEST_F(Server, ShowsItsLatestDecisions) {
  EXPECT_EQ(get("/decisions").json.dump(), R"({"decisions":[]})");
  post("/v1/completions", completion(""));
  const Answer warm = post("/v1/completions", completion(""));

  const Json::Array latest = get("/decisions").json.get("decisions").as_array();

  ASSERT_EQ(latest.size(), 2u);
  EXPECT_EQ(latest[1].get("reason").as_string(), "no_donor");
  EXPECT_EQ(latest[0].get("request_id").as_string(), warm.headers.find("x-request-id")->second);
  EXPECT_EQ(latest[0].get("finish_reason").as_string(), "length");
  EXPECT_EQ(latest[0].get("tiers").dump(), R"(["memory"])");
  for (const char* name : {"policy", "budget", "prompt_tokens", "exact", "shifted", "fuzzy",
                           "recomputed", "computed", "reason", "ttft_ms"})
    EXPECT_EQ(latest[0].get(name).dump(), warm.json.get("kvshare").get(name).dump()) << name;
}

// Whatever the client calls its request.
TEST_F(Server, DecidesForEveryChoice) {
  const std::string id(60, '<');

  post("/v1/completions", completion(R"(,"n":3)"), {{"x-request-id", id}});
  const Answer decisions = get("/decisions");

  EXPECT_EQ(decisions.json.get("decisions").as_array().size(), 3u);
  EXPECT_EQ(decisions.json.dump().find(id), std::string::npos);
}

TEST_F(Server, Answers32AtOnce) {
  const std::string expected = text_of("");
  std::vector<std::string> texts(32);
  std::vector<std::thread> clients;
  for (std::string& text : texts) clients.emplace_back([&] { text = text_of(""); });
  for (std::thread& client : clients) client.join();

  for (const std::string& text : texts) EXPECT_EQ(text, expected);
  EXPECT_EQ(metric(R"(kvshare_choices_total{reason="length"})"), 33);
}

}  // namespace
}  // namespace kvs::test
