#include "kvs/diff_text.h"

#include <gtest/gtest.h>

#include "kvs/align.h"
#include "support/token_texts.h"

namespace kvs {
namespace {

using test::counting;
using test::joined;
using test::Tokens;

// One letter per token: 0 is 'a', and so on; from 26 on, what raw() makes is its byte.
std::string letters(std::span<const int32_t> tokens) {
  std::string text;
  for (const int32_t token : tokens) text += static_cast<char>(token < 26 ? 'a' + token : token);
  return text;
}

// Tokens whose text is these bytes.
Tokens raw(std::string_view bytes) {
  Tokens tokens;
  for (const char byte : bytes) tokens.push_back(static_cast<unsigned char>(byte) + 256);
  return tokens;
}

std::string diff(const Tokens& target, const Tokens& donor, const DiffTextOptions& options = {},
                 const AlignOptions& align_options = {.min_span = 4}) {
  const std::span<const int32_t> donors[] = {donor};
  return diff_text(align(target, donor, align_options), donors, letters, options);
}

TEST(DiffText, MarksWhatIsInsertedAndDeleted) {
  const Tokens target = joined({counting(6), {'X', 'Y'}, counting(6, 8)});

  EXPECT_EQ(diff(target, joined({counting(7), counting(6, 8)})), "abcdef[-g-]{+X+}{+Y+}ijklmn\n");
  EXPECT_EQ(diff(counting(3), {}), "{+abc+}\n");
  EXPECT_EQ(diff({}, counting(3)), "[-abc-]\n");
  EXPECT_EQ(diff({}, {}), "");
}

TEST(DiffText, MarksWhatMoved) {
  EXPECT_EQ(diff(joined({counting(8, 8), counting(5)}), joined({counting(5), counting(8, 8)})),
            "ijklmnop{>abcde<}\n");
}

TEST(DiffText, ShowsWhatAFuzzyRowStoodFor) {
  const Tokens donor = joined({counting(6), {'X'}, counting(6, 8)});
  const Tokens target = joined({counting(6), {'Y'}, counting(6, 8)});
  const SourceSpan spans[] = {{0, 6, 0, 0}, {6, 1, 0, 6, true}, {7, 6, 0, 7}};
  const int64_t length = 13;
  const EditScript script = make_script(target, {&length, 1}, spans);
  const std::span<const int32_t> donors[] = {donor};

  EXPECT_EQ(diff_text(script, donors, letters), "abcdef{~X→Y~}ijklmn\n");
  EXPECT_EQ(diff_text(script, donors, letters, {.colour = true}),
            "abcdef\x1b[35mX→Y\x1b[0mijklmn\n");
}

TEST(DiffText, ColoursInPlaceOfMarks) {
  const Tokens target = joined({counting(6), {'X'}, counting(8, 8)});
  const Tokens donor = joined({{'Y'}, counting(8, 8), counting(6)});

  EXPECT_EQ(diff(target, donor, {.colour = true}),
            "\x1b[34m↷abcdef\x1b[0m\x1b[31mY\x1b[0m\x1b[32mX\x1b[0mijklmnop\n");
}

TEST(DiffText, ElidesLongKeptRuns) {
  const Tokens body(2000, 1);
  const Tokens target = joined({{'X', 'Y'}, {0}, body, {2}});

  EXPECT_EQ(diff(target, joined({{0}, body, {2}}), {.context = 3}),
            "{+XY+}abb\n… 1,996 tokens kept (shift +2) …\nbbc\n");
  EXPECT_EQ(diff(body, body, {.context = 0}), "… 2,000 tokens kept (in place) …\n");
}

TEST(DiffText, ShowsControlCharactersInsteadOfSendingThem) {
  EXPECT_EQ(diff(raw("\x1b[\x7f\n\t\xc2\x9b\xc3\x9f"), {}), "{+\\x1b[\\x7f\n\t\\x9b\xc3\x9f+}\n");
}

}  // namespace
}  // namespace kvs
