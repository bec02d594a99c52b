#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace kvs {
namespace {

std::string assemble(std::string_view bytes) {
  Utf8Assembler assembler;
  std::string out;
  for (const char byte : bytes) assembler.push({&byte, 1}, out);
  assembler.finish(out);
  return out;
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point == 0xD800) code_point = 0xE000;
    std::string text;
    append_utf8(text, code_point);
    ASSERT_EQ(find_invalid_utf8(text), std::nullopt) << static_cast<uint32_t>(code_point);
    ASSERT_EQ(code_point_at(text, 0).value, code_point);
    ASSERT_EQ(code_point_before(text, text.size()).value, code_point);
  }
}

TEST(Utf8, NamesTheFirstInvalidByte) {
  EXPECT_EQ(find_invalid_utf8("abc\xFF"), 3U);
  EXPECT_EQ(find_invalid_utf8("0123456789\x80"), 10U);
  EXPECT_EQ(find_invalid_utf8("\xC0\xAF"), 0U);          // overlong
  EXPECT_EQ(find_invalid_utf8("a\xED\xA0\x80"), 1U);     // a surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0U);  // above U+10FFFF
  EXPECT_EQ(find_invalid_utf8("\xE4\xBD"), 0U);          // cut short
}

TEST(Utf8, AssemblerPassesWholeCharactersOn) {
  const std::string text = "a\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80z";

  EXPECT_EQ(assemble(text), text);
}

TEST(Utf8, AssemblerHoldsAnIncompleteCharacterBack) {
  Utf8Assembler assembler;
  std::string out;

  assembler.push("a\xF0\x9F\x98", out);

  EXPECT_EQ(out, "a");
}

TEST(Utf8, AssemblerReplacesMaximalSubparts) {
  // The example of Unicode 15, table 3-8.
  EXPECT_EQ(assemble("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
  EXPECT_EQ(assemble("\xC0\xAF\xE0\x80\xBF"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(assemble("\xE4\xBD"), "\uFFFD");
}

}  // namespace
}  // namespace kvs
