#include "model/unicode.h"

#include <gtest/gtest.h>

#include <string>

#include "base/utf8.h"
#include "model/byte_alphabet.h"

namespace kvs {
namespace {

TEST(Unicode, NormalFormsAreThoseOfTheStandard) {
  // Unicode Standard Annex 15, figures 3 to 6.
  EXPECT_EQ(normalized("\u212B", NormalForm::nfd), "A\u030A");
  EXPECT_EQ(normalized("\u212B", NormalForm::nfc), "\u00C5");
  EXPECT_EQ(normalized("\u1E9B\u0323", NormalForm::nfd), "\u017F\u0323\u0307");
  EXPECT_EQ(normalized("\u1E9B\u0323", NormalForm::nfc), "\u1E9B\u0323");
  EXPECT_EQ(normalized("\u1E9B\u0323", NormalForm::nfkd), "s\u0323\u0307");
  EXPECT_EQ(normalized("\u1E9B\u0323", NormalForm::nfkc), "\u1E69");
  EXPECT_EQ(normalized("\uFB01 2\u2075", NormalForm::nfkc), "fi 25");
  EXPECT_EQ(normalized("\u1112\u1161\u11AB", NormalForm::nfc), "\uD55C");
}

TEST(Unicode, NormalFormsLeaveTheirOwnResultAlone) {
  for (char32_t code_point = 0x80; code_point < 0x30000; ++code_point) {
    if (code_point == 0xD800) code_point = 0xE000;
    std::string text;
    append_utf8(text, code_point);
    for (const auto form : {NormalForm::nfc, NormalForm::nfd, NormalForm::nfkc, NormalForm::nfkd}) {
      const std::string once = normalized(text, form);
      ASSERT_EQ(normalized(once, form), once) << static_cast<uint32_t>(code_point);
    }
  }
}

TEST(Unicode, LowerCaseIsCharacterByCharacter) {
  std::string lower;
  for (const char32_t code_point : {U'A', U'\u00C4', U'\u0130', U'\u03A3', U'\u1E9E', U'7'})
    append_lower(lower, code_point);

  EXPECT_EQ(lower, "a\u00E4i\u0307\u03C3\u00DF7");
}

TEST(Unicode, ClassesHoldWhatTheyShould) {
  EXPECT_TRUE(is_whitespace(0x85) && is_whitespace(0x3000) && is_whitespace(0x2028));
  EXPECT_FALSE(is_whitespace(0x180E) || is_whitespace(0x200B));
  EXPECT_TRUE(is_numeric(U'5') && is_numeric(0xBD) && is_numeric(0x663) && is_numeric(0x2167));
  EXPECT_TRUE(is_punctuation(U'$') && is_punctuation(0x3002) && is_punctuation(0xAB));
  EXPECT_FALSE(is_punctuation(U'a') || is_punctuation(0x20AC));
  EXPECT_TRUE(is_control(0xAD) && is_control(0xE000) && is_control(7));
  EXPECT_FALSE(is_control(0x378));  // unassigned
  EXPECT_TRUE(is_word(U'_') && is_word(0x301) && is_word(0x200D) && !is_word(U'-'));
}

TEST(ByteAlphabet, EveryByteComesBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);

  std::string chars;
  append_byte_chars(chars, bytes);

  EXPECT_EQ(find_invalid_utf8(chars), std::nullopt);
  EXPECT_EQ(bytes_of_chars(chars), bytes);
}

TEST(ByteAlphabet, IsThatOfGpt2) {
  std::string chars;
  append_byte_chars(chars, " a\n");

  EXPECT_EQ(chars, "\u0120a\u010A");
  EXPECT_EQ(bytes_of_chars("a b"), "a b");  // a space is not in it
}

}  // namespace
}  // namespace kvs
