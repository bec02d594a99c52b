#include "kvs/text_scores.h"

#include <fstream>
#include <sstream>

#include "kvs/json.h"
#include "support/errors.h"

namespace kvs {
namespace {

const Json& golden() {
  static const Json json = [] {
    std::ifstream in(KVS_TEST_DATA "/text_scores.json");
    std::ostringstream text;
    text << in.rdbuf();
    return Json::parse(text.str(), "text_scores.json");
  }();
  return json;
}

const Json::Array& pairs() {
  return golden().get("pairs").as_array();
}

TEST(TextScores, SplitAsSacrebleuDoes) {
  ASSERT_GE(pairs().size(), 60U);
  for (const Json& pair : pairs()) {
    std::vector<std::string> expected;
    for (const Json& token : pair.get("tokens").as_array()) expected.push_back(token.as_string());

    EXPECT_EQ(tokenize_13a(pair.get("hypothesis").as_string()), expected) << pair.dump();
  }
}

TEST(TextScores, GiveSacrebleusBleu) {
  std::vector<std::string> hypotheses, references;
  for (const Json& pair : pairs()) {
    hypotheses.push_back(pair.get("hypothesis").as_string());
    references.push_back(pair.get("reference").as_string());
    const std::span<const std::string> hypothesis(&hypotheses.back(), 1);
    const std::span<const std::string> reference(&references.back(), 1);

    EXPECT_NEAR(corpus_bleu(hypothesis, reference), pair.get("bleu").as_number(), 1e-9)
        << pair.dump();
    EXPECT_NEAR(sentence_bleu(hypotheses.back(), references.back()),
                pair.get("sentence_bleu").as_number(), 1e-9)
        << pair.dump();
  }

  EXPECT_NEAR(corpus_bleu(hypotheses, references), golden().get("corpus_bleu").as_number(), 1e-9);
}

TEST(TextScores, GiveRougeScoresRougeL) {
  for (const Json& pair : pairs())
    EXPECT_NEAR(rouge_l(pair.get("hypothesis").as_string(), pair.get("reference").as_string()),
                pair.get("rouge_l").as_number(), 1e-12)
        << pair.dump();
}

TEST(TextScores, OfNothingAreZero) {
  EXPECT_EQ(corpus_bleu({}, {}), 0);
  EXPECT_EQ(sentence_bleu("", ""), 0);
  EXPECT_EQ(rouge_l("", "..."), 0);
}

TEST(TextScores, BearInvalidUtf8) {
  const std::string bad = "a \xe2\x80 b \xc2";

  EXPECT_EQ(tokenize_13a(bad), (std::vector<std::string>{"a", "\xe2\x80", "b", "\xc2"}));
  EXPECT_EQ(rouge_l(bad, "a b"), 1);
}

TEST(TextScores, RefuseListsOfDifferentLengths) {
  const std::vector<std::string> one{"a"};
  const std::vector<std::string> two{"a", "b"};

  const Error error = test::error_of([&] { corpus_bleu(one, two); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(), "corpus_bleu: 1 hypotheses, expected as many as references: 2");
}

}  // namespace
}  // namespace kvs
