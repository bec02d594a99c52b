#include <mutex>
#include <set>
#include <thread>

#include "base/sha256.h"
#include "support/http_scene.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class TenantsOfAServer : public HttpScene {
 protected:
  void SetUp() override {
    write_keys({{"acme-key", "acme"},
                {"globex-key", "globex"},
                {"one-key", "one group=team"},
                {"two-key", "two group=team"},
                {"slow-key", "slow rate=2"},
                {"small-key", "small memory=1"},
                {"watch-key", "watch metrics"},
                {"ops-key", "ops operator"}});
    start({.keys = keys, .publish_after = 3, .log = [this](std::string_view line) {
             const std::lock_guard lock(log_mutex);
             log.push_back(Json::parse(line, "log"));
           }});
  }
  void TearDown() override { server.reset(); }

  void write_keys(const std::vector<std::pair<std::string, std::string>>& lines) {
    std::string text;
    for (const auto& [key, rest] : lines) text += sha256_hex(key) + " " + rest + "\n";
    keys = folder.write("keys", text);
  }

  Answer ask(const std::string& key, const std::string& fields = "") const {
    return post("/v1/completions",
                R"({"prompt":"Once upon a time, Tim had a red car and a blue ball. One day",)"
                R"("max_tokens":3,"temperature":0)" +
                    fields + "}",
                {{"Authorization", "Bearer " + key}});
  }

  // As from another machine.
  static httplib::Headers remote(const std::string& key) {
    httplib::Headers headers{{"X-Forwarded-For", "203.0.113.7"}};
    if (!key.empty()) headers.emplace("Authorization", "Bearer " + key);
    return headers;
  }
  static std::set<std::string> names_of(const httplib::Headers& headers) {
    std::set<std::string> names;
    for (const auto& [name, value] : headers) names.insert(name);
    return names;
  }
  // What an answer says of its prompt, but how long it took.
  static std::string without_times(const Json& answer) {
    Json left = Json::Object{{"usage", answer.get("usage")}};
    for (const auto& [name, value] : answer.get("kvshare").as_object())
      if (!name.ends_with("_ms")) left.set(name, value);
    return left.dump();
  }
  Answer forget(const std::string& key, const std::string& query) const {
    return remove("/v1/kvshare/donors?" + query, remote(key));
  }
  static int64_t gone(const Answer& answer) {
    return answer.json.get("deleted").get("memory").as_int();
  }

  static constexpr const char* kStory =
      "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park. "
      "The dog wanted to play with the ball. Lily sat under a tree and ate three cakes with her "
      "mom, but the rain came down and they ran home as fast as they could.";

  TemporaryFolder folder;
  std::filesystem::path keys;
  std::mutex log_mutex;
  std::vector<Json> log;
};

TEST_F(TenantsOfAServer, MayNotAskTooOften) {
  EXPECT_EQ(ask("slow-key").status, 200);
  EXPECT_EQ(ask("slow-key").status, 200);
  const Answer third = ask("slow-key");

  EXPECT_EQ(third.status, 429);
  EXPECT_EQ(third.code(), "rate_limit_exceeded");
  EXPECT_TRUE(third.headers.contains("Retry-After"));
  EXPECT_EQ(ask("acme-key").status, 200);
}

TEST_F(TenantsOfAServer, LeaveConnectionsToOthers) {
  start({.keys = keys, .connections = 6});  // two of them may be ending still
  const std::string body =
      R"({"prompt":"x","max_tokens":2000,"n":2,"stream":true,"logit_bias":{"2":-100}})";
  RawClient first(server->port()), second(server->port()), third(server->port());
  for (RawClient* stream : {&first, &second, &third}) {
    stream->send(
        "POST /v1/completions HTTP/1.1\r\nAuthorization: Bearer acme-key\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
    stream->receive("data: ");
  }

  const Answer fourth = ask("acme-key");

  EXPECT_EQ(fourth.status, 429);
  EXPECT_EQ(fourth.code(), "too_many_requests");
  EXPECT_TRUE(fourth.headers.contains("Retry-After"));
  EXPECT_EQ(get("/v1/models", {{"Authorization", "Bearer acme-key"}}).status, 200);
  EXPECT_EQ(ask("globex-key").status, 200);
}

TEST_F(TenantsOfAServer, NeedAKeyForEverythingButHealth) {
  EXPECT_EQ(get("/health").status, 200);
  for (const char* path : {"/v1/models", "/v1/models/stories", "/nothing"})
    EXPECT_EQ(get(path).status, 401) << path;
  for (const char* path :
       {"/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/tokenize", "/detokenize"})
    EXPECT_EQ(post(path, "{}").code(), "invalid_api_key") << path;
  EXPECT_EQ(ask("wrong").status, 401);
  EXPECT_EQ(ask(sha256_hex("acme-key")).status, 401);
  EXPECT_EQ(ask("acme-key").status, 200);
}

TEST_F(TenantsOfAServer, NeverReuseEachOthersRows) {
  ASSERT_EQ(ask("acme-key").cached(), 0);

  const Answer other = ask("globex-key");

  EXPECT_EQ(other.cached(), 0);
  EXPECT_EQ(other.json.get("kvshare").get("reason").as_string(), "no_donor");
  EXPECT_EQ(ask("one-key").cached(), 0);
  EXPECT_GT(ask("acme-key").cached(), 10);
  EXPECT_GT(ask("globex-key").cached(), 10);
}

TEST_F(TenantsOfAServer, ShareWithinAGroupWithoutSayingWhoHadIt) {
  ask("one-key");

  const Answer other = ask("two-key");

  EXPECT_GT(other.cached(), 10);
  EXPECT_TRUE(other.json.get("kvshare").get("donors").as_array().at(0).get("id").is_null());
}

TEST_F(TenantsOfAServer, NarrowReuseDownByASalt) {
  const std::string salt = R"(,"cache_salt":"a")";
  ask("one-key");

  EXPECT_EQ(ask("one-key", salt).cached(), 0);
  EXPECT_GT(ask("one-key", salt).cached(), 10);
  EXPECT_EQ(ask("two-key", salt).cached(), 0);  // not even within the group
  EXPECT_EQ(ask("acme-key", R"(,"cache_salt":"group:team")").cached(), 0);
}

// The answers do not tell which tenants had it, nor that two of the three did.
TEST_F(TenantsOfAServer, SharePublishedTextWithoutSayingWhoHadIt) {
  const auto ask_as = [&](const std::string& tenant, const std::string& fields = "") {
    return post(
        "/v1/completions",
        R"({"prompt":")" + tenant + " was asked. " + kStory + R"(","max_tokens":1)" + fields + "}",
        {{"Authorization", "Bearer " + tenant + "-key"}});
  };
  for (const char* tenant : {"acme", "globex"}) EXPECT_LT(ask_as(tenant).cached(), 5);
  EXPECT_LT(ask_as("small", R"(,"cache_salt":"a")").cached(), 5);  // which counts for nothing
  const Answer third = ask_as("one");
  EXPECT_LT(third.cached(), 5);
  EXPECT_EQ(third.json.get("kvshare").get("reason").as_string(), "no_donor");
  while (metric("kvshare_published_donors") < 1) std::this_thread::yield();

  const Answer other = ask_as("watch");
  EXPECT_GT(other.cached(), 30);  // a piece of 64, of which kvshare computes 32
  EXPECT_TRUE(other.json.get("kvshare").get("donors").as_array().at(0).get("id").is_null());
  EXPECT_LT(ask_as("ops", R"(,"cache_salt":"a")").cached(), 5);
  EXPECT_EQ(gone(forget("acme-key", "prefix=Once")), 0);
}

// A block takes 80 KiB with this model and type, and a question one block.
TEST_F(TenantsOfAServer, KeepNoMoreThanTheirMemory) {
  const auto ask_in = [&](const std::string& key, int number) {
    return ask(key, R"(,"cache_salt":")" + std::to_string(number) + R"(")");
  };
  ask("acme-key");
  for (int number = 0; number < 20; ++number) ask_in("small-key", number);

  EXPECT_GT(metric(R"(kvshare_evicted_donors_total{reason="quota"})"), 6);
  EXPECT_EQ(ask_in("small-key", 0).cached(), 0);
  EXPECT_GT(ask_in("small-key", 19).cached(), 10);
  EXPECT_GT(ask("acme-key").cached(), 10);

  write_keys({{"small-key", "small"}, {"acme-key", "acme memory=1"}});
  server->reload_keys();
  for (int number = 0; number < 20; ++number) ask_in("small-key", number);
  for (int number = 0; number < 20; ++number)
    EXPECT_GT(ask_in("small-key", number).cached(), 10) << number;
}

TEST_F(TenantsOfAServer, DeleteTheirOwnDonorsOnly) {
  ask("acme-key");
  ask("acme-key", R"(,"cache_salt":"a")");
  ask("globex-key");

  EXPECT_EQ(forget("acme-key", "tenant=globex").status, 403);
  EXPECT_EQ(forget("acme-key", "tenant=nobody").status, 403);
  EXPECT_EQ(forget("watch-key", "tenant=globex").status, 403);
  EXPECT_EQ(forget("", "tenant=globex").status, 401);
  EXPECT_EQ(forget("wrong", "tenant=globex").status, 401);
  EXPECT_EQ(forget("acme-key", "").status, 400);
  EXPECT_EQ(forget("acme-key", "prefix=").status, 400);
  EXPECT_EQ(gone(forget("acme-key", "prefix=Once%20upon")), 2);

  EXPECT_EQ(ask("acme-key").cached(), 0);
  EXPECT_GT(ask("globex-key").cached(), 10);
}

TEST_F(TenantsOfAServer, DeleteInAGroupWhatTheyAsked) {
  ask("one-key");
  EXPECT_EQ(gone(forget("two-key", "tenant=two")), 0);
  EXPECT_GT(ask("two-key").cached(), 10);

  EXPECT_EQ(gone(forget("one-key", "tenant=one")), 1);
  EXPECT_EQ(ask("two-key").cached(), 0);
}

TEST_F(TenantsOfAServer, LoseDonorsToAnOperatorByTenantIdOrPrefix) {
  const std::string id = ask("acme-key").json.get("id").as_string();
  ask("globex-key");

  EXPECT_EQ(gone(forget("ops-key", "id=other")), 0);
  EXPECT_EQ(gone(forget("ops-key", "prefix=Once%20upon%20a%20tide")), 0);
  EXPECT_EQ(gone(forget("ops-key", "id=" + id + "&tenant=globex")), 0);
  EXPECT_EQ(gone(forget("ops-key", "id=" + id)), 1);
  EXPECT_EQ(gone(forget("ops-key", "tenant=globex&prefix=Once%20upon%20a%20time")), 1);
  EXPECT_EQ(ask("acme-key").cached(), 0);
  EXPECT_EQ(ask("globex-key").cached(), 0);
  EXPECT_EQ(gone(remove("/v1/kvshare/donors?prefix=Once")), 2);  // from this machine
  EXPECT_EQ(metric("kvshare_donors"), 0);
}

TEST_F(TenantsOfAServer, ReadMetricsByTheirOwnKeyOrFromThisMachine) {
  const httplib::Headers proxied{{"X-Forwarded-For", "203.0.113.7"}};
  httplib::Headers acme = proxied, watch = proxied;
  acme.emplace("Authorization", "Bearer acme-key");
  watch.emplace("Authorization", "Bearer watch-key");

  for (const char* path : {"/metrics", "/decisions"}) {
    EXPECT_EQ(get(path).status, 200) << path;
    EXPECT_EQ(get(path, proxied).status, 403) << path;
    EXPECT_EQ(get(path, acme).status, 403) << path;
    EXPECT_EQ(get(path, watch).status, 200) << path;
  }
}

TEST_F(TenantsOfAServer, AreNotNamedWhereDecisionsAreShown) {
  const std::string id = ask("one-key").json.get("id").as_string();
  EXPECT_GT(ask("two-key").cached(), 10);

  const Answer decisions = get("/decisions", remote("watch-key"));

  ASSERT_EQ(decisions.json.get("decisions").as_array().size(), 2u);
  const std::string text = decisions.json.dump();
  for (const std::string& secret :
       {id, std::string("one"), std::string("two"), std::string("team"), std::string("Tim")})
    EXPECT_EQ(text.find(secret), std::string::npos) << text;
}

TEST_F(TenantsOfAServer, CannotTellWhatOthersHold) {
  start({.keys = keys});
  const Answer alone = ask("globex-key");
  const std::string page = client().Get("/", remote(""))->body;

  start({.keys = keys});
  ask("acme-key");
  const Answer after = ask("globex-key");

  EXPECT_EQ(names_of(after.headers), names_of(alone.headers));
  EXPECT_EQ(without_times(after.json), without_times(alone.json));
  EXPECT_EQ(client().Get("/", remote(""))->body, page);  // whose figures are of /metrics
  for (const char* key : {"", "wrong", "acme-key", "globex-key"})
    for (const char* path : {"/metrics", "/decisions"})
      EXPECT_EQ(get(path, remote(key)).status, 403) << path << " " << key;
}

TEST_F(TenantsOfAServer, AreNotThisMachineUnderAnotherName) {
  const httplib::Headers stranger{{"Host", "evil.example"}};

  EXPECT_EQ(get("/metrics", stranger).status, 403);
  EXPECT_EQ(get("/decisions", stranger).status, 403);
  EXPECT_EQ(remove("/v1/kvshare/donors?tenant=acme", stranger).status, 401);
  EXPECT_EQ(get("/health", stranger).status, 200);
}

TEST_F(TenantsOfAServer, MayWriteTheSchemeOfAKeyAsTheyLike) {
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER  "})
    EXPECT_EQ(get("/v1/models", {{"Authorization", std::string(scheme) + "acme-key"}}).status, 200)
        << scheme;
  EXPECT_EQ(get("/v1/models", {{"Authorization", "Bearer"}}).status, 401);
  EXPECT_EQ(get("/v1/models", {{"Authorization", "Basic acme-key"}}).status, 401);
}

TEST_F(TenantsOfAServer, ChangeWhenTheKeysAreReadAgain) {
  write_keys({{"new-key", "acme"}});
  server->reload_keys();

  EXPECT_EQ(ask("acme-key").status, 401);
  EXPECT_EQ(ask("new-key").status, 200);

  folder.write("keys", "nonsense");
  EXPECT_THROW(server->reload_keys(), Error);
  EXPECT_EQ(ask("new-key").status, 200);
}

TEST_F(TenantsOfAServer, AppearInTheLogWithoutTheirTexts) {
  const Answer answer = ask("acme-key");
  server.reset();

  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log[0].get("tenant").as_string(), "acme");
  EXPECT_EQ(log[0].get("status").as_int(), 200);
  EXPECT_EQ(log[0].get("request_id").as_string(), answer.headers.find("x-request-id")->second);
  EXPECT_EQ(log[0].get("completion_tokens").as_int(), 3);
  EXPECT_EQ(log[0].dump().find("Tim"), std::string::npos);
  EXPECT_EQ(log[0].dump().find("acme-key"), std::string::npos);
}

}  // namespace
}  // namespace kvs::test
