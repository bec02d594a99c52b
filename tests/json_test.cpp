#include "kvs/json.h"

#include <gtest/gtest.h>

#include "support/errors.h"

namespace kvs::test {
namespace {

TEST(Json, ReadsBackWhatItWrites) {
  const std::string text = R"({"b":[1,-2.5,true,null,"é\n"],"a":{},"big":12345678901234})";

  EXPECT_EQ(Json::parse(text, "x").dump(), text);
}

TEST(Json, KeepsTheOrderOfMembers) {
  Json json;
  json.set("z", 1);
  json.set("a", 2);
  json.set("z", 3);

  EXPECT_EQ(json.dump(), R"({"z":3,"a":2})");
}

TEST(Json, NamesTheSourceAndTheByteOfAFault) {
  const Error e = error_of([] { Json::parse("{\"a\":", "in.jsonl:7"); });

  EXPECT_EQ(e.kind(), ErrorKind::format);
  EXPECT_STREQ(e.what(), "in.jsonl:7: not valid JSON at byte 6");
}

TEST(Json, RefusesEndlessNesting) {
  const Error e = error_of([] { Json::parse(std::string(100000, '['), "x"); });

  EXPECT_STREQ(e.what(), "x: JSON nested deeper than 512 levels");
}

TEST(Json, RefusesTextBehindTheDocument) {
  EXPECT_EQ(error_of([] { Json::parse("{} {}", "x"); }).kind(), ErrorKind::format);
}

TEST(Json, SaysWhatWasExpectedAndFound) {
  EXPECT_STREQ(error_of([] { Json(1).as_string(); }).what(), "expected string, found integer");
  EXPECT_STREQ(error_of([] { Json().get("id"); }).what(), "field 'id' is missing");
}

TEST(Json, ReplacesInvalidUtf8) {
  EXPECT_EQ(Json("a\xff").dump(), "\"a\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace kvs::test
