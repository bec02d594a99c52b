// What browsers ask for themselves, and for the pages they show.
#include "support/http_scene.h"

namespace kvs::test {
namespace {

class Browsers : public HttpScene {
 protected:
  void SetUp() override { start({.allowed_origins = {"https://chat.example"}}); }

  std::string own() const { return "http://127.0.0.1:" + std::to_string(server->port()); }
  Answer tokenize(const std::string& origin) const {
    return post("/tokenize", R"({"prompt":"Tim"})", {{"Origin", origin}});
  }
  Answer options(const std::string& path, const httplib::Headers& headers = {}) const {
    return answer_of(client().Options(path, headers));
  }
  static std::string field(const Answer& answer, const std::string& name) {
    const auto found = answer.headers.find(name);
    return found == answer.headers.end() ? "" : found->second;
  }
};

TEST_F(Browsers, AreToldWhichMethodsThereAre) {
  EXPECT_EQ(options("/health").status, 200);
  EXPECT_EQ(field(options("/health"), "Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(field(options("/v1/models/stories"), "Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(field(options("/v1/completions"), "Allow"), "POST, OPTIONS");
  EXPECT_EQ(field(options("/v1/kvshare/donors"), "Allow"), "DELETE, OPTIONS");
  EXPECT_EQ(options("*").status, 200);
  EXPECT_EQ(options("/nothing").status, 404);
  EXPECT_EQ(field(options("/health"), "Access-Control-Allow-Origin"), "");
}

TEST_F(Browsers, AreToldThatAMethodIsNotThere) {
  const Answer posted = post("/health", ""), got = get("/v1/completions");

  EXPECT_EQ(posted.status, 405);
  EXPECT_EQ(posted.code(), "method_not_allowed");
  EXPECT_EQ(field(posted, "Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(got.status, 405);
  EXPECT_EQ(field(got, "Allow"), "POST, OPTIONS");
  EXPECT_EQ(client().Head("/v1/completions")->status, 405);
  EXPECT_EQ(remove("/v1/models").status, 405);
  EXPECT_EQ(get("/v1/models/").status, 404);
}

TEST_F(Browsers, GetTheHeadOfWhatTheyWouldGet) {
  for (const char* path : {"/", "/health", "/ready", "/v1/models", "/v1/models/stories"}) {
    const auto head = client().Head(path), whole = client().Get(path);
    ASSERT_TRUE(head && whole) << path;
    EXPECT_EQ(head->status, 200) << path;
    EXPECT_EQ(head->body, "");
    EXPECT_FALSE(head->has_header("Accept-Ranges")) << path;  // since there are none
    for (const char* name : {"Content-Type", "Content-Length"})
      EXPECT_EQ(head->get_header_value(name), whole->get_header_value(name)) << path;
  }
  EXPECT_EQ(client().Head("/v1/models/other")->status, 404);
  for (const char* path : {"/metrics", "/decisions"})
    EXPECT_EQ(client().Head(path)->status, 200) << path;
}

// As a page does that posts a form to this machine: the browser asks nobody first.
TEST_F(Browsers, MayNotAskForOtherPeoplesPages) {
  for (const std::string origin :
       {"http://evil.example", "null", "http://localhost:1", "http://chat.example"}) {
    const Answer answer = tokenize(origin);
    EXPECT_EQ(answer.status, 403) << origin;
    EXPECT_EQ(answer.code(), "foreign_origin");
    EXPECT_EQ(field(answer, "Access-Control-Allow-Origin"), "");
  }
  EXPECT_EQ(remove("/v1/kvshare/donors?tenant=x", {{"Origin", "http://evil.example"}}).code(),
            "foreign_origin");
  EXPECT_EQ(tokenize(own()).status, 200);
  EXPECT_EQ(post("/tokenize", R"({"prompt":"Tim"})").status, 200);  // which is no page's
}

TEST_F(Browsers, MayAskForPagesThatAreAllowed) {
  const httplib::Headers page{{"Origin", "https://chat.example"},
                              {"Access-Control-Request-Method", "POST"},
                              {"Access-Control-Request-Headers", "authorization,content-type"}};
  const Answer asked = options("/v1/completions", page), answer = tokenize("https://chat.example");

  EXPECT_EQ(asked.status, 200);
  EXPECT_EQ(field(asked, "Access-Control-Allow-Origin"), "https://chat.example");
  EXPECT_EQ(field(asked, "Access-Control-Allow-Methods"), "POST, OPTIONS");
  EXPECT_EQ(field(asked, "Access-Control-Allow-Headers"), "authorization,content-type");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(field(answer, "Access-Control-Allow-Origin"), "https://chat.example");
  EXPECT_EQ(field(answer, "Vary"), "Origin");
  const Answer refused = post("/tokenize", "{", {{"Origin", "https://chat.example"}});
  EXPECT_EQ(field(refused, "Access-Control-Allow-Origin"), "https://chat.example");
}

}  // namespace
}  // namespace kvs::test
