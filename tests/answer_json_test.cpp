#include "serve/answer_json.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kvs/gguf.h"
#include "support/tiny_model.h"

namespace kvs::test {
namespace {

Response response_of(int64_t exact, int64_t shifted, int64_t recomputed, int64_t computed) {
  Response response{.id = "x", .text = "hi", .tokens = {5, 6}, .finish_reason = "length"};
  response.reuse.prompt_tokens = exact + shifted + recomputed + computed;
  response.reuse.exact = exact;
  response.reuse.shifted = shifted;
  response.reuse.recomputed = recomputed;
  response.reuse.computed = computed;
  return response;
}

class Answers : public testing::Test {
 protected:
  AnswerWriter writer(bool chat, bool usage = false) const {
    return AnswerWriter({.chat = chat,
                         .id = "id-1",
                         .created = 7,
                         .model = "m",
                         .fingerprint = "fp",
                         .tokenizer = tokenizer.get(),
                         .choices = 2,
                         .usage_in_chunks = usage});
  }
  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
};

TEST_F(Answers, AreWholeChats) {
  const Json json = writer(true).whole({{.text = "hi", .response = response_of(0, 0, 0, 3)}});

  EXPECT_EQ(json.dump(),
            R"({"id":"id-1","object":"chat.completion","created":7,"model":"m",)"
            R"("system_fingerprint":"fp","choices":[{"index":0,"message":{"role":"assistant",)"
            R"("content":"hi","refusal":null},"logprobs":null,"finish_reason":"length"}]})");
}

TEST_F(Answers, AreChunksOfChats) {
  AnswerWriter chunks = writer(true, true);

  EXPECT_EQ(chunks.opening(1).dump(),
            R"({"id":"id-1","object":"chat.completion.chunk","created":7,"model":"m",)"
            R"("system_fingerprint":"fp","choices":[{"index":1,"delta":{"role":"assistant",)"
            R"("content":""},"logprobs":null,"finish_reason":null}],"usage":null})");
  EXPECT_EQ(chunks.chunk(0, "hi", {}).get("choices").dump(),
            R"([{"index":0,"delta":{"content":"hi"},"logprobs":null,"finish_reason":null}])");
  EXPECT_EQ(chunks.closing(0, "stop").get("choices").dump(),
            R"([{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}])");
  EXPECT_EQ(chunks.usage_chunk({}, {}, {}).get("choices").dump(), "[]");
}

TEST_F(Answers, AreChunksOfCompletions) {
  const Json json = writer(false).chunk(0, "hi", {});

  EXPECT_EQ(json.get("object").as_string(), "text_completion");
  EXPECT_EQ(json.get("choices").dump(),
            R"([{"index":0,"text":"hi","logprobs":null,"finish_reason":null}])");
  EXPECT_EQ(json.find("usage"), nullptr);
}

TEST_F(Answers, SayHowLikelyTokensWere) {
  const int32_t token = tokenizer->encode("Lily").back();
  const std::string text = tokenizer->token_bytes(token);
  const std::vector<Logprobs> tokens{{.chosen = {token, -0.5}, .top = {{token, -0.5}}},
                                     {.chosen = {token, -INFINITY}}};

  const Json chat = writer(true).chunk(0, "x", tokens).get("choices").as_array()[0];
  AnswerWriter completion = writer(false);
  completion.chunk(0, "x", tokens);
  const Json next = completion.chunk(0, "x", tokens).get("choices").as_array()[0];

  const Json& entry = chat.get("logprobs").get("content").as_array()[0];
  EXPECT_EQ(entry.get("token").as_string(), text);
  EXPECT_EQ(entry.get("bytes").as_array().size(), text.size());
  EXPECT_EQ(entry.get("top_logprobs").as_array().size(), 1u);
  EXPECT_EQ(chat.get("logprobs").get("content").as_array()[1].get("logprob").dump(), "-9999.0");
  EXPECT_EQ(next.get("logprobs").get("text_offset").as_array()[0].as_int(),
            static_cast<int64_t>(2 * text.size()));
}

TEST_F(Answers, NameTheChosenTokenThoughOthersWereLikelier) {
  const int32_t token = tokenizer->encode("Lily").back(), rival = tokenizer->encode("dog").back();
  const std::vector<Logprobs> tokens{{.chosen = {token, -5}, .top = {{rival, -0.5}}}};

  const Json json = writer(false).chunk(0, "x", tokens).get("choices").as_array()[0];

  const Json& top = json.get("logprobs").get("top_logprobs").as_array()[0];
  EXPECT_EQ(top.get(tokenizer->token_bytes(token)).as_number(), -5);
  EXPECT_EQ(top.get(tokenizer->token_bytes(rival)).as_number(), -0.5);
}

TEST_F(Answers, CountCharactersWhichMayHaveSeveralTokens) {
  std::vector<Logprobs> tokens;
  std::string text;
  for (const int32_t token : tokenizer->encode("\u20AC", {.add_special = false})) {
    tokens.push_back({.chosen = {token, -1}});
    text += tokenizer->token_bytes(token);
  }
  ASSERT_EQ(text, " \u20AC");

  AnswerWriter completion = writer(false);
  completion.chunk(0, text, tokens);
  const Json next = completion.chunk(0, text, tokens).get("choices").as_array()[0];

  EXPECT_EQ(next.get("logprobs").get("text_offset").as_array()[0].as_int(), 2);
}

TEST(Usage, NeverCountsRowsThatWereComputedAnew) {
  const Response reused = response_of(3, 5, 2, 1), computed = response_of(0, 0, 0, 4);

  EXPECT_EQ(usage_json({&reused}, 1).dump(),
            R"({"prompt_tokens":11,"completion_tokens":2,"total_tokens":13,)"
            R"("prompt_tokens_details":{"cached_tokens":8}})");
  // Two prompts of two choices each: a prompt counts once.
  EXPECT_EQ(usage_json({&reused, &computed, &computed, &reused}, 2).dump(),
            R"({"prompt_tokens":15,"completion_tokens":8,"total_tokens":23,)"
            R"("prompt_tokens_details":{"cached_tokens":8}})");
}

TEST(KvShare, HidesWhoseRowsWereReused) {
  const Caller alone{.tenant = "acme"}, grouped{.tenant = "acme", .share_group = "g"};
  Response response = response_of(3, 5, 2, 1);
  response.reuse.donors = {{donor_id(alone, "mine"), 0, 3}, {"globex/theirs", 0, 5}, {"faq", 0, 1}};
  const auto ids = [&](const Caller& caller) {
    std::string text;
    const Json json = kvshare_json(response, caller);
    for (const Json& donor : json.get("donors").as_array()) text += donor.get("id").dump() + " ";
    return text;
  };

  EXPECT_EQ(ids(grouped), R"("mine" null null )");
  response.reuse.donors.erase(response.reuse.donors.begin() + 1);
  EXPECT_EQ(ids(alone), R"("mine" "faq" )");
}

}  // namespace
}  // namespace kvs::test
