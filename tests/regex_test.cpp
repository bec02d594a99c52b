#include "model/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/regex_dialect.h"
#include "support/errors.h"

namespace kvs {
namespace {

std::vector<std::string> matches_of(const char* pattern, const std::string& text) {
  const Regex regex(pattern, "test");
  RegexScratch scratch;
  std::vector<TextRange> ranges;
  regex.find_all(text, scratch, ranges);
  std::vector<std::string> matches;
  for (const TextRange& range : ranges) matches.push_back(text.substr(range.begin, range.size()));
  return matches;
}

using Strings = std::vector<std::string>;

TEST(Regex, FindsAllMatchesFromLeftToRight) {
  EXPECT_EQ(matches_of("ab|b", "abbcab"), Strings({"ab", "b", "ab"}));
  EXPECT_EQ(matches_of("x", ""), Strings());
}

// As Oniguruma's bindings do: an empty match right behind another does not count.
TEST(Regex, FindsEmptyMatchesBetweenCharacters) {
  EXPECT_EQ(matches_of("b*", "abc"), Strings({"", "b", ""}));
  EXPECT_EQ(matches_of("z*", "\xC3\xA9z"), Strings({"", "z"}));
}

TEST(Regex, SpaceIsWhiteSpaceOfUnicode) {
  const std::string spaces = "\t\x0B\xC2\x85\xC2\xA0\xE2\x80\x83\xE3\x80\x80";

  EXPECT_EQ(matches_of("\\s+", "a" + spaces + "b"), Strings({spaces}));
  EXPECT_EQ(matches_of("[^\\s]+", "a" + spaces + "b"), Strings({"a", "b"}));
  EXPECT_EQ(matches_of("\\s", "\xE1\xA0\x8E"), Strings());  // U+180E is none
}

TEST(Regex, ClassesAreRubys) {
  EXPECT_EQ(matches_of("\\h+", "xbeefy"), Strings({"beef"}));
  EXPECT_EQ(matches_of("\\w+", "e\xCC\x81_1-"), Strings({"e\xCC\x81_1"}));
  EXPECT_EQ(matches_of("[\\u4e00-\\u9fa5]+", "a\xE4\xB8\xAD\xE6\x96\x87"),
            Strings({"\xE4\xB8\xAD\xE6\x96\x87"}));
  EXPECT_EQ(matches_of("(?m:a.b)", "a\nb"), Strings({"a\nb"}));
  EXPECT_EQ(matches_of("^b$", "a\nb\nc"), Strings({"b"}));
}

TEST(RegexDialect, IntervalsArePossessiveInPcre2Only) {
  EXPECT_EQ(pcre2_pattern("\\p{N}{1,3}+x", "test"), "(?:\\p{N}{1,3})+x");
  EXPECT_EQ(pcre2_pattern("(ab){2}+", "test"), "(?:(ab){2})+");
  EXPECT_EQ(pcre2_pattern("a{,3}", "test"), "a{0,3}");
  EXPECT_EQ(pcre2_pattern("a{x}", "test"), "a{x}");
}

TEST(RegexDialect, ScriptsAreScripts) {
  EXPECT_EQ(pcre2_pattern("\\p{Han}\\p{Lu}", "test"), "\\p{sc:Han}\\p{Lu}");
}

TEST(RegexDialect, RefusesWhatHasNoCounterpart) {
  for (const char* pattern : {"[a[bc]]", "[\\w&&[^a]]", "[\\W]"})
    EXPECT_THROW((void)pcre2_pattern(pattern, "test"), Error) << pattern;
}

TEST(RegexDialect, AnyCutOfAPatternIsReadOrRefused) {
  const std::string pattern =
      "(?i:'s|'t)|[^\\r\\n\\p{L}[:alpha:]]?\\p{L}+|\\p{N}{1,3}+| ?\\u00e9[^\\s]+|\\s+(?!\\S)";
  for (size_t size = 0; size <= pattern.size(); ++size) {
    try {
      const Regex regex(pattern.substr(0, size), "test");
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("test: pattern")) << error.what();
    }
  }
}

}  // namespace
}  // namespace kvs
