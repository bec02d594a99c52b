#include "serve/streamed_reply.h"

#include <gtest/gtest.h>

#include <vector>

#include "kvs/error.h"

namespace kvs::test {
namespace {

ApiReply reply_of(const std::vector<std::string>& events, std::string* text = nullptr) {
  StreamedReply reply([&](std::string_view piece) {
    if (text) *text += piece;
    return true;
  });
  for (const std::string& event : events)
    if (!reply.guard([&] { return reply.take(event); })) break;
  return std::move(reply).whole();
}

TEST(StreamedReply, PutsAChatTogether) {
  std::string text;
  const ApiReply reply =
      reply_of({R"({"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]})",
                R"({"choices":[{"delta":{"content":"Good "}}],"usage":null})",
                R"({"choices":[{"delta":{"content":"day"}}]})",
                R"({"choices":[{"delta":{},"finish_reason":"stop"}]})",
                R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,
           "prompt_tokens_details":{"cached_tokens":4}},"kvshare":{"exact":4}})",
                "[DONE]"},
               &text);

  EXPECT_EQ(text, "Good day");
  EXPECT_EQ(reply.error, "");
  EXPECT_EQ(reply.finish_reason, "stop");
  EXPECT_EQ(reply.pieces, 2);
  EXPECT_EQ(reply.usage->prompt_tokens, 9);
  EXPECT_EQ(reply.usage->completion_tokens, 2);
  EXPECT_EQ(reply.usage->cached_tokens, 4);
  EXPECT_EQ(reply.kvshare.get("exact").as_int(), 4);
}

TEST(StreamedReply, TakesCompletionsAndServersThatSayLess) {
  std::string text;
  const ApiReply reply = reply_of(
      {R"({"choices":[{"text":"a"}]})", R"({"choices":[{"text":"b","finish_reason":"length"}]})"},
      &text);

  EXPECT_EQ(text, "ab");
  EXPECT_EQ(reply.error, "");  // though there was no [DONE]
  EXPECT_FALSE(reply.usage);
  EXPECT_TRUE(reply.kvshare.is_null());
}

TEST(StreamedReply, SaysWhatWentWrong) {
  EXPECT_EQ(reply_of({R"({"choices":[{"text":"a"}]})"}).error, "cut_off");
  EXPECT_EQ(reply_of({}).error, "cut_off");
  EXPECT_EQ(reply_of({R"({"error":{"message":"gone","code":"shutting_down"}})"}).error,
            "shutting_down");
  const ApiReply bad = reply_of({R"({"choices":)"});
  EXPECT_EQ(bad.error, "bad_answer");
  EXPECT_TRUE(bad.message.starts_with("event: not valid JSON")) << bad.message;
  EXPECT_EQ(reply_of({R"({"choices":[{"text":3}]})"}).error, "bad_answer");
  EXPECT_EQ(reply_of({R"({"choices":"x"})"}).error, "bad_answer");
}

TEST(StreamedReply, ReadsRefusals) {
  const ApiReply own =
      StreamedReply::refused(429, R"({"error":{"message":"too many","code":"queue_full"}})");
  EXPECT_EQ(own.status, 429);
  EXPECT_EQ(own.error, "queue_full");
  EXPECT_EQ(own.message, "too many");

  // A number for a code, as llama.cpp's server has it; a page; nothing.
  const char* numbered = R"({"error":{"code":503,"message":"Loading","type":"unavailable"}})";
  EXPECT_EQ(StreamedReply::refused(503, numbered).error, "unavailable");
  EXPECT_EQ(StreamedReply::refused(502, "<html>").error, "http_502");
  EXPECT_EQ(StreamedReply::refused(500, "").message, "status 500");
}

}  // namespace
}  // namespace kvs::test
