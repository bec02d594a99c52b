#include "kvs/tokenizer.h"

#include <gtest/gtest.h>

#include <string>

#include "support/errors.h"

namespace kvs {
namespace {

const std::string kData = KVS_TEST_DATA;

std::unique_ptr<Tokenizer> stories() {
  return Tokenizer::from_gguf(GgufFile(kData + "/stories260K.gguf"));
}

TEST(Tokenizer, DecodesWhatItEncodes) {
  const auto tokenizer = stories();
  const std::string text = "Once upon a time, there was a \xF0\x9F\xA6\x99 named Zoë.\n  The end.";

  const auto tokens = tokenizer->encode(text, {.add_special = false});

  EXPECT_EQ(tokenizer->decode(tokens), text);
}

TEST(Tokenizer, PutsBosInFrontWhereTheFileAsksForIt) {
  const auto tokenizer = stories();

  const auto tokens = tokenizer->encode("Once");

  EXPECT_EQ(tokens.front(), tokenizer->bos());
  EXPECT_EQ(tokens.size(), tokenizer->encode("Once", {.add_special = false}).size() + 1);
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = stories();

  const Error error = test::error_of([&] { (void)tokenizer->encode("ab\xFFzz"); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(), "text: not valid UTF-8 at byte 2");
}

}  // namespace
}  // namespace kvs
