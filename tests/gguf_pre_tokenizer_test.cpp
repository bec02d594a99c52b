#include "model/gguf_pre_tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/pre_tokenizer.h"
#include "support/errors.h"

namespace kvs {
namespace {

std::vector<std::string> pieces_of(const std::string& name, const std::string& text) {
  const PreTokenizer pre_tokenizer(gguf_pre_tokenizer(name, "test").pre_tokenizer, "test");
  TextPieces pieces{text, {}, true};
  RegexScratch scratch;
  pre_tokenizer.apply(pieces, scratch);
  std::vector<std::string> words;
  for (const TextRange& piece : pieces.pieces)
    words.push_back(pieces.text.substr(piece.begin, piece.size()));
  return words;
}

using Strings = std::vector<std::string>;

TEST(GgufPreTokenizer, EveryNameSplitsWithoutLosingAByte) {
  const std::string text = "Hello, World's 12345 tests...\n\n  x\t\u1FD3\u4E2D\u6587 \u00B5";
  for (const char* name :
       {"gpt-2", "default", "llama-bpe", "qwen2", "smollm", "deepseek-llm", "deepseek-coder",
        "deepseek-v3", "falcon", "tekken", "stablelm2", "smaug-bpe", "starcoder"}) {
    size_t bytes = 0;
    for (const std::string& word : pieces_of(name, text))  // each byte is one character by now
      for (const char byte : word) bytes += (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
    EXPECT_EQ(bytes, text.size()) << name;
  }
}

TEST(GgufPreTokenizer, NumbersAreSplitAsTheFamiliesDo) {
  EXPECT_EQ(pieces_of("gpt-2", "12345"), Strings({"12345"}));
  EXPECT_EQ(pieces_of("smollm", "12345"), Strings({"1", "2", "3", "4", "5"}));
  EXPECT_EQ(pieces_of("llama-bpe", "12345"), Strings({"123", "45"}));
  EXPECT_EQ(pieces_of("qwen2", "123"), Strings({"1", "2", "3"}));
  EXPECT_EQ(pieces_of("falcon", "12345"), Strings({"123", "45"}));
  EXPECT_EQ(pieces_of("deepseek-llm", "12"), Strings({"1", "2"}));
}

TEST(GgufPreTokenizer, ANameThatIsNotKnownIsAnError) {
  const Error error = test::error_of([] { (void)gguf_pre_tokenizer("x\ny", "model.gguf"); });

  EXPECT_EQ(error.kind(), ErrorKind::format);
  EXPECT_STREQ(error.what(), "model.gguf: pre-tokenizer 'x\\x0ay' is not known");
}

}  // namespace
}  // namespace kvs
