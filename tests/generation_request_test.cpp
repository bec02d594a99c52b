#include "serve/generation_request.h"

#include <gtest/gtest.h>

#include "serve/refusal.h"

namespace kvs::test {
namespace {

const GenerationDefaults kDefaults{.max_tokens = 77, .sampling = {.temperature = 1}, .vocab = 512};

GenerationRequest chat(const std::string& fields) {
  const std::string messages = R"({"messages":[{"role":"user","content":"hi"}])";
  return read_chat_request(BodyFields::parse(messages + (fields.empty() ? "" : "," + fields) + "}"),
                           kDefaults);
}

GenerationRequest completion(const std::string& fields) {
  return read_completion_request(BodyFields::parse("{" + fields + "}"), kDefaults);
}

template <typename Body>
Refusal refusal_of(Body body) {
  try {
    body();
  } catch (const Refusal& refusal) {
    return refusal;
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

void expect_refused(const std::string& fields, const std::string& param, const std::string& code) {
  const Refusal refusal = refusal_of([&] { chat(fields); });
  EXPECT_EQ(refusal.param, param) << fields;
  EXPECT_EQ(refusal.code, code) << fields << ": " << refusal.message;
  EXPECT_EQ(refusal.status, 400);
}

TEST(GenerationRequest, TakesDefaultsWhereItSaysNothing) {
  const GenerationRequest request = chat("");

  EXPECT_TRUE(request.chat);
  EXPECT_EQ(request.max_tokens, 77);
  EXPECT_EQ(request.sampling.temperature, 1);
  EXPECT_EQ(request.n, 1);
  EXPECT_EQ(request.top_logprobs, -1);
  EXPECT_FALSE(request.stream);
  EXPECT_EQ(std::get<std::vector<ChatMessage>>(request.prompts[0]),
            (std::vector<ChatMessage>{{"user", "hi"}}));
}

TEST(GenerationRequest, ReadsEveryField) {
  const GenerationRequest request = chat(
      R"("model":"m","n":3,"stream":true,"stream_options":{"include_usage":true},"max_tokens":5,
         "max_completion_tokens":9,"temperature":0.5,"top_p":0.9,"seed":-4,"presence_penalty":1,
         "frequency_penalty":-1,"logit_bias":{"7":-100,"8":1.5},"stop":["a","b"],"logprobs":true,
         "top_logprobs":4,"cache_salt":"s","cache_prompt":false,"ignore_eos":true,"user":"x","unknown":[1],"tools":[],
         "response_format":{"type":"text"},"seed_of_nothing":null)");

  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(request.n, 3);
  EXPECT_TRUE(request.stream && request.include_usage);
  EXPECT_EQ(request.max_tokens, 9);  // the newer name wins
  EXPECT_EQ(request.sampling.temperature, 0.5);
  EXPECT_EQ(request.sampling.seed, static_cast<uint64_t>(-4));
  EXPECT_EQ(request.sampling.presence_penalty, 1);
  EXPECT_EQ(request.sampling.logit_bias,
            (std::vector<std::pair<int32_t, double>>{{7, -100}, {8, 1.5}}));
  EXPECT_EQ(request.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request.top_logprobs, 4);
  EXPECT_EQ(request.cache_salt, "s");
  EXPECT_TRUE(!request.cache_prompt && request.ignore_eos);
}

TEST(GenerationRequest, JoinsPartsOfText) {
  const BodyFields body = BodyFields::parse(
      R"({"messages":[{"role":"developer","content":[{"type":"text","text":"a"},
          {"type":"text","text":"b"}]}]})");

  const GenerationRequest request = read_chat_request(body, kDefaults);

  EXPECT_EQ(std::get<std::vector<ChatMessage>>(request.prompts[0]),
            (std::vector<ChatMessage>{{"system", "ab"}}));
}

TEST(GenerationRequest, TakesNoCallsOfToolsForNone) {
  const auto messages_with = [](const std::string& calls) {
    return Json::parse(R"([{"role":"assistant","content":"x","tool_calls":)" + calls + "}]", "x");
  };

  for (const char* none : {"null", "[]"})
    EXPECT_EQ(read_messages(messages_with(none)).size(), 1u) << none;
  EXPECT_EQ(refusal_of([&] { read_messages(messages_with(R"([{"id":"a"}])")); }).code,
            "unsupported");
}

TEST(GenerationRequest, RefusesWhatItCannotDo) {
  expect_refused(R"("tools":[{"type":"function"}])", "tools", "unsupported");
  expect_refused(R"("functions":[{}])", "functions", "unsupported");
  expect_refused(R"("response_format":{"type":"json_object"})", "response_format", "unsupported");
  expect_refused(R"("modalities":["audio"])", "modalities", "unsupported");
  const Refusal image = refusal_of([] {
    read_messages(Json::parse(R"([{"role":"user","content":[{"type":"image_url"}]}])", "x"));
  });
  EXPECT_EQ(image.code, "unsupported");
  EXPECT_EQ(image.message, "'messages': parts of type 'image_url' are not supported");
}

TEST(GenerationRequest, NamesTheFieldOfAnotherTypeOrOutOfRange) {
  expect_refused(R"("n":0)", "n", "invalid_value");
  expect_refused(R"("n":65)", "n", "invalid_value");
  expect_refused(R"("temperature":"hot")", "temperature", "invalid_value");
  expect_refused(R"("temperature":2.5)", "temperature", "invalid_value");
  expect_refused(R"("max_tokens":1.5)", "max_tokens", "invalid_value");
  expect_refused(R"("stream":1)", "stream", "invalid_value");
  expect_refused(R"("stream_options":[])", "stream_options", "invalid_value");
  expect_refused(R"("stop":[""])", "stop", "invalid_value");
  expect_refused(R"("logit_bias":{"512":1})", "logit_bias", "invalid_value");
  expect_refused(R"("logit_bias":{"1x":1})", "logit_bias", "invalid_value");
  expect_refused(R"("logit_bias":{"1":101})", "logit_bias", "invalid_value");
  expect_refused(R"("top_logprobs":2)", "top_logprobs", "invalid_value");
  expect_refused(R"("cache_salt":"")", "cache_salt", "invalid_value");
}

TEST(GenerationRequest, LooksForShortTextsOnly) {
  const auto stop_of = [](size_t bytes) {
    return R"("stop":["a",")" + std::string(bytes, 'x') + R"("])";
  };

  EXPECT_EQ(chat(stop_of(1024)).stop[1].size(), 1024u);
  expect_refused(stop_of(1025), "stop", "too_large");
}

TEST(GenerationRequest, RefusesMessagesThatAreNone) {
  for (const char* messages :
       {"1", "[]", "[1]", R"([{"content":"x"}])", R"([{"role":"user"}])",
        R"([{"role":"user","content":[1]}])", R"([{"role":"user","content":[{"type":"text"}]}])"})
    EXPECT_EQ(refusal_of([&] { read_messages(Json::parse(messages, "x")); }).param, "messages")
        << messages;
  EXPECT_EQ(refusal_of([] { read_chat_request(BodyFields::parse("{}"), kDefaults); }).code,
            "missing");
}

TEST(GenerationRequest, ReadsEachKindOfPrompt) {
  EXPECT_EQ(std::get<std::string>(completion(R"("prompt":"a")").prompts[0]), "a");
  EXPECT_EQ(completion(R"("prompt":["a","b"],"n":2)").choices(), 4);
  EXPECT_EQ(std::get<std::vector<int32_t>>(completion(R"("prompt":[1,2])").prompts[0]),
            (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(completion(R"("prompt":[[1],[2,3]])").prompts.size(), 2u);
}

TEST(GenerationRequest, RefusesPromptsThatAreNone) {
  for (const char* prompt : {"1", "[]", "[[]]", "[512]", "[-1]", "[1.5]", R"(["a",1])", "{}"})
    EXPECT_EQ(refusal_of([&] { completion(std::string("\"prompt\":") + prompt); }).param, "prompt")
        << prompt;
  EXPECT_EQ(refusal_of([] { completion(R"("prompt":"a","suffix":"b")"); }).code, "unsupported");
  EXPECT_EQ(refusal_of([] { completion(R"("prompt":"a","best_of":2)"); }).code, "unsupported");
  EXPECT_EQ(refusal_of([] { completion(R"("prompt":["a","b"],"n":33)"); }).code, "invalid_value");
}

TEST(BodyFields, RefusesWhatIsNoObjectInUtf8) {
  EXPECT_EQ(refusal_of([] { BodyFields::parse("{\"a\":\"\xff\"}"); }).code, "invalid_utf8");
  EXPECT_EQ(refusal_of([] { BodyFields::parse("{\"a\":"); }).code, "invalid_json");
  EXPECT_EQ(refusal_of([] { BodyFields::parse("[]"); }).code, "invalid_json");
  EXPECT_EQ(refusal_of([] { BodyFields::parse(""); }).code, "invalid_json");
}

TEST(BodyFields, RefusesMoreValuesThanItMayHave) {
  const std::string body = R"({"a":[1,[2]],"b":"[[,,\"{","c":{"d":3}})";

  EXPECT_NO_THROW(BodyFields::parse(body, 8));
  const Refusal refusal = refusal_of([&] { BodyFields::parse(body, 7); });
  EXPECT_EQ(refusal.code, "too_large");
  EXPECT_EQ(refusal.message, "the body has 8 JSON values: expected at most 7");
}

TEST(Refusal, IsWrittenAsTheOpenAiApiHasIt) {
  const Refusal refusal = refusal_of([] { chat("\"n\":0"); });

  EXPECT_EQ(refusal.to_json().dump(),
            R"({"error":{"message":"'n': expected an integer from 1 to 64, found 0",)"
            R"("type":"invalid_request_error","param":"n","code":"invalid_value"}})");
}

}  // namespace
}  // namespace kvs::test
