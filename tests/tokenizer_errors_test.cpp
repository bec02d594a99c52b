#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "kvs/tokenizer.h"
#include "support/errors.h"
#include "support/token_data.h"

namespace kvs {
namespace {

const std::string kPath = testing::TempDir() + fmt::format("broken_tokenizer_{}.json", getpid());

// What from_json says about a file with this content, without the path in front.
std::string error_of_json(const std::string& content) {
  std::ofstream(kPath, std::ios::binary) << content;
  const Error error = test::error_of([] { (void)Tokenizer::from_json(kPath); });
  EXPECT_EQ(error.kind(), ErrorKind::format);
  const std::string message = error.what();
  EXPECT_TRUE(message.starts_with(kPath + ": ")) << message;
  return message.substr(std::min(message.size(), kPath.size() + 2));
}

const std::string kModel = R"("model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []})";

TEST(TokenizerErrors, NameWhatIsNotKnown) {
  EXPECT_EQ(error_of_json(R"({"model": {"type": "Unigram", "vocab": {}}})"),
            "model type 'Unigram' is not known, expected BPE or WordPiece");
  EXPECT_EQ(error_of_json("{" + kModel + R"(, "normalizer": {"type": "Precompiled"}})"),
            "normalizer: type 'Precompiled' is not known");
  EXPECT_EQ(error_of_json("{" + kModel + R"(, "pre_tokenizer": {"type": "UnicodeScripts"}})"),
            "pre-tokenizer: type 'UnicodeScripts' is not known");
  EXPECT_EQ(error_of_json("{" + kModel + R"(, "post_processor": {"type": "Other"}})"),
            "post-processor: type 'Other' is not known");
  EXPECT_EQ(error_of_json("{" + kModel + R"(, "decoder": {"type": "CTC"}})"),
            "decoder: type 'CTC' is not known");
}

TEST(TokenizerErrors, NameWhatIsMissing) {
  EXPECT_EQ(error_of_json("{}"), "field 'model' is missing");
  EXPECT_EQ(error_of_json(R"({"model": {"type": "BPE", "vocab": {}}})"),
            "field 'merges' is missing");
  EXPECT_EQ(error_of_json(R"({"model": {"type": "WordPiece", "vocab": {"a": 0}}})"),
            "WordPiece has no unk_token");
}

TEST(TokenizerErrors, NameMergesThatMakeNoSense) {
  const auto with_merges = [](const std::string& merges) {
    return R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": )" + merges + "}}";
  };

  EXPECT_EQ(error_of_json(with_merges(R"(["a b"])")),
            "merge 0 needs the token 'ab', which the vocabulary does not have");
  EXPECT_EQ(error_of_json(with_merges(R"(["ab"])")),
            "merge 0 is 'ab', expected two tokens with one space between them");
  EXPECT_EQ(error_of_json(with_merges(R"([["a"]])")), "a merge is not a pair");
}

TEST(TokenizerErrors, NameIdsOutOfRange) {
  EXPECT_EQ(error_of_json(R"({"model": {"type": "BPE", "vocab": {"a": 99999999}, "merges": []}})"),
            "token id 99999999 is out of range, expected 0 to 4194303");
  EXPECT_EQ(error_of_json(R"({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}})"),
            "token id -1 is out of range");
}

TEST(TokenizerErrors, NamePatternsThatCannotBeRun) {
  const auto with_pattern = [](const std::string& pattern) {
    return "{" + kModel + R"(, "pre_tokenizer": {"type": "Split", "pattern": {"Regex": ")" +
           pattern + R"("}, "behavior": "Isolated", "invert": false}})";
  };

  EXPECT_EQ(error_of_json(with_pattern("(")),
            "pre-tokenizer: pattern '(' is not valid: missing closing parenthesis");
  EXPECT_EQ(error_of_json(with_pattern("[a&&b]")),
            "pre-tokenizer: pattern '[a&&b]' uses an intersection of character classes, which is "
            "not supported");
}

TEST(TokenizerErrors, NameTheFileThatIsNotJson) {
  EXPECT_EQ(error_of_json("{"), "not valid JSON at byte 2");
  EXPECT_EQ(error_of_json(""), "not valid JSON at byte 1");
}

TEST(TokenizerErrors, AMissingFileIsAnIoError) {
  const Error error = test::error_of([] { (void)Tokenizer::from_json("/nonexistent.json"); });

  EXPECT_EQ(error.kind(), ErrorKind::io);
}

TEST(TokenizerErrors, EveryTruncationIsNoticed) {
  const std::string whole = test::read_text(test::kTokenData + "small/bert.json");
  for (size_t size = 0; size + 2 < whole.size(); size += 61) {
    std::ofstream(kPath, std::ios::binary) << whole.substr(0, size);
    EXPECT_THROW((void)Tokenizer::from_json(kPath), Error) << size;
  }
}

}  // namespace
}  // namespace kvs
