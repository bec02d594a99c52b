#include "kvs/request.h"

#include <gtest/gtest.h>

#include <sstream>

#include "support/errors.h"

namespace kvs::test {
namespace {

// The requests of a text, or the messages of those lines that are none, in order.
std::vector<std::string> outcomes(const std::string& text) {
  std::istringstream in(text);
  RequestReader reader(in, "in.jsonl");
  std::vector<std::string> all;
  for (;;) {
    try {
      const auto request = reader.next();
      if (!request) return all;
      all.push_back("request " + request->id);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::format);
      all.emplace_back(e.what());
    }
  }
}

Request read_one(const std::string& line, const Request& defaults = {}) {
  std::istringstream in(line);
  return RequestReader(in, "in.jsonl", defaults).next().value();
}

std::string refusal(const std::string& fields) {
  return error_of([&] { read_one(R"({"prompt":"x",)" + fields + "}"); }).what();
}

TEST(Request, ReadsAPlainLineAsAPrompt) {
  const Request request = read_one("What is a {KV} cache?\r\n");

  EXPECT_EQ(std::get<std::string>(request.prompt), "What is a {KV} cache?");
  EXPECT_EQ(request.id, "1");
  EXPECT_FALSE(request.reference.has_value());
}

TEST(Request, ReadsEveryField) {
  const Request request = read_one(
      R"({"id":"a","prompt":"p\n","tenant":"t","max_tokens":0,"temperature":0.5,"top_k":3,)"
      R"("top_p":0.25,"min_p":0.125,"repetition_penalty":2,"seed":9007199254740993,)"
      R"("stop":["x","y"],"reference":"r","arrival_ms":12.5,"unknown":[1]})");

  EXPECT_EQ(request.id, "a");
  EXPECT_EQ(std::get<std::string>(request.prompt), "p\n");
  EXPECT_EQ(request.tenant, "t");
  EXPECT_EQ(request.max_tokens, 0);
  EXPECT_EQ(request.sampling.temperature, 0.5);
  EXPECT_EQ(request.sampling.top_k, 3);
  EXPECT_EQ(request.sampling.top_p, 0.25);
  EXPECT_EQ(request.sampling.min_p, 0.125);
  EXPECT_EQ(request.sampling.repetition_penalty, 2);
  EXPECT_EQ(request.sampling.seed, 9007199254740993u);
  EXPECT_EQ(request.stop, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(request.reference, "r");
  EXPECT_EQ(request.arrival_ms, 12.5);
}

TEST(Request, ReadsMessagesAndTokens) {
  const Request chat = read_one(R"({"messages":[{"role":"user","content":"hé"}],"stop":"."})");
  const Request ids = read_one(R"({"tokens":[0,2147483647],"id":7})");

  EXPECT_EQ(std::get<std::vector<ChatMessage>>(chat.prompt),
            (std::vector<ChatMessage>{{"user", "hé"}}));
  EXPECT_EQ(chat.stop, std::vector<std::string>{"."});
  EXPECT_EQ(std::get<std::vector<int32_t>>(ids.prompt), (std::vector<int32_t>{0, 2147483647}));
  EXPECT_EQ(ids.id, "7");
}

TEST(Request, TakesWhatALineDoesNotSayFromTheDefaults) {
  Request defaults;
  defaults.tenant = "acme";
  defaults.max_tokens = 5;
  defaults.stop = {"\n"};

  const Request request = read_one(R"({"prompt":"x","max_tokens":6,"tenant":null})", defaults);

  EXPECT_EQ(request.tenant, "acme");
  EXPECT_EQ(request.max_tokens, 6);
  EXPECT_EQ(request.stop, std::vector<std::string>{"\n"});
}

TEST(Request, GoesOnBehindALineThatIsNone) {
  EXPECT_EQ(
      outcomes("one\n\n{\"prompt\":\"two\"}\n{\"prompt\":\nfive\xff\n\xEF\xBB\xBFsix"),
      (std::vector<std::string>{"request 1", "request 3", "in.jsonl:4: not valid JSON at byte 11",
                                "in.jsonl:5: not valid UTF-8 at byte 5", "request 6"}));
}

TEST(Request, PassesOverAByteOrderMarkAndEmptyLines) {
  EXPECT_EQ(outcomes(""), std::vector<std::string>{});
  EXPECT_EQ(outcomes("\n\r\n\n"), std::vector<std::string>{});
  EXPECT_EQ(outcomes("\xEF\xBB\xBF{\"tokens\":[1]}"), std::vector<std::string>{"request 1"});
}

TEST(Request, WantsExactlyOneKindOfPrompt) {
  EXPECT_EQ(outcomes("{}\n{\"prompt\":\"a\",\"tokens\":[1]}\n{\"prompt\":null}"),
            (std::vector<std::string>{
                "in.jsonl:1: expected one of 'prompt', 'messages' and 'tokens', found none",
                "in.jsonl:2: expected one of 'prompt', 'messages' and 'tokens', found more",
                "in.jsonl:3: expected one of 'prompt', 'messages' and 'tokens', found none"}));
}

TEST(Request, NamesTheFieldAndWhatItShouldBe) {
  EXPECT_EQ(refusal(R"("max_tokens":-1)"),
            "in.jsonl:1: field 'max_tokens': expected an integer from 0 to 9223372036854775807, "
            "found -1");
  EXPECT_EQ(refusal(R"("top_k":2147483648)"),
            "in.jsonl:1: field 'top_k': expected an integer from 0 to 2147483647, found "
            "2147483648");
  EXPECT_EQ(refusal(R"("temperature":"hot")"),
            "in.jsonl:1: field 'temperature': expected a number of at least 0, found \"hot\"");
  EXPECT_EQ(refusal(R"("top_p":0)"),
            "in.jsonl:1: field 'top_p': expected a number in (0, 1], found 0");
  EXPECT_EQ(refusal(R"("min_p":1.5)"),
            "in.jsonl:1: field 'min_p': expected a number in [0, 1], found 1.5");
  EXPECT_EQ(refusal(R"("repetition_penalty":0)"),
            "in.jsonl:1: field 'repetition_penalty': expected a number above 0, found 0");
  EXPECT_EQ(refusal(R"("arrival_ms":-2)"),
            "in.jsonl:1: field 'arrival_ms': expected a number of at least 0, found -2");
  EXPECT_EQ(refusal(R"("tenant":[1])"),
            "in.jsonl:1: field 'tenant': expected a string, found array");
  EXPECT_EQ(refusal(R"("reference":1)"),
            "in.jsonl:1: field 'reference': expected a string, found 1");
  EXPECT_EQ(refusal(R"("id":1.5)"),
            "in.jsonl:1: field 'id': expected a string or an integer, found 1.5");
  EXPECT_EQ(refusal(R"("stop":[""])"),
            "in.jsonl:1: field 'stop': expected a string or an array of at most 64 strings, none "
            "empty, found \"\"");
}

TEST(Request, RefusesPromptsOfAnotherShape) {
  const std::string tokens =
      "in.jsonl:1: field 'tokens': expected an array of token ids from 0 to 2147483647, not empty, "
      "found ";
  const std::string messages =
      "in.jsonl:1: field 'messages': expected an array of objects with the strings 'role' and "
      "'content', found ";

  EXPECT_EQ(outcomes(R"({"tokens":[]})"), std::vector<std::string>{tokens + "array"});
  EXPECT_EQ(outcomes(R"({"tokens":[1,-1]})"), std::vector<std::string>{tokens + "-1"});
  EXPECT_EQ(outcomes(R"({"messages":[]})"), std::vector<std::string>{messages + "array"});
  EXPECT_EQ(outcomes(R"({"messages":[{"role":"user"}]})"),
            std::vector<std::string>{messages + "object"});
  EXPECT_EQ(outcomes(R"({"prompt":3})"),
            std::vector<std::string>{"in.jsonl:1: field 'prompt': expected a string, found 3"});
}

TEST(Request, BoundsTheLengthOfALine) {
  const std::string long_line((size_t{64} << 20) + 1, 'x');

  EXPECT_EQ(outcomes(long_line + "\nshort\n"),
            (std::vector<std::string>{"in.jsonl:1: line longer than 64 MiB", "request 2"}));
}

}  // namespace
}  // namespace kvs::test
