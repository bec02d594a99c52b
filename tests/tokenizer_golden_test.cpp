// Against the Python package tokenizers and llama.cpp: see tests/data/tokenizers/README.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kvs/json.h"
#include "kvs/tokenizer.h"
#include "support/token_data.h"

namespace kvs {
namespace {

class Fnv {
 public:
  void add(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001B3U; }
  std::string folded() const {
    return fmt::format("{:08x}", static_cast<uint32_t>(value_ >> 32 ^ value_));
  }

 private:
  uint64_t value_ = 0xCBF29CE484222325U;
};

std::string hash_of(const std::vector<int32_t>& tokens) {
  Fnv hash;
  for (const int32_t token : tokens)
    for (int shift = 0; shift < 32; shift += 8) hash.add(static_cast<uint8_t>(token >> shift));
  return hash.folded();
}

// The script hashes the bytes of texts as if each were a token.
std::string hash_of(const std::string& text) {
  return hash_of(std::vector<int32_t>(reinterpret_cast<const uint8_t*>(text.data()),
                                      reinterpret_cast<const uint8_t*>(text.data()) + text.size()));
}

TEST(TokenizerGolden, EveryKindOfTokenizerEqualsTheReference) {
  const auto texts = test::sample_texts();
  for (const std::string& line : test::read_lines(test::kTokenData + "golden.jsonl")) {
    const Json golden = Json::parse(line, "golden.jsonl");
    const std::string& name = golden.get("tokenizer").as_string();
    const auto tokenizer = test::json_tokenizer(name);
    const Json::Array& rows = golden.get("texts").as_array();
    ASSERT_EQ(rows.size(), texts.size());

    for (size_t index = 0; index < texts.size(); ++index) {
      SCOPED_TRACE(name + ", text " + std::to_string(index));
      const Json::Array& row = rows[index].as_array();
      const auto full = tokenizer->encode(texts[index], {.parse_special = true});
      const auto plain = tokenizer->encode(texts[index], {.add_special = false});
      EXPECT_EQ(static_cast<int64_t>(full.size()), row[0].as_int());
      EXPECT_EQ(hash_of(full), row[1].as_string());
      EXPECT_EQ(hash_of(plain), row[2].as_string());
      EXPECT_EQ(hash_of(tokenizer->decode(full)), row[3].as_string());
    }
  }
}

std::vector<std::string> split_texts(const std::string& all) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  size_t at = 0;
  for (size_t end = all.find(separator); end != all.npos; end = all.find(separator, at)) {
    texts.push_back(all.substr(at, end - at));
    at = end + separator.size();
  }
  texts.push_back(all.substr(at));
  return texts;
}

std::vector<int32_t> numbers_in(const std::string& line) {
  std::istringstream text(line);
  std::vector<int32_t> numbers;
  for (int32_t number; text >> number;) numbers.push_back(number);
  return numbers;
}

class LlamaCppVectors : public testing::TestWithParam<const char*> {};

TEST_P(LlamaCppVectors, AreReproduced) {
  const std::string path = test::kTokenData + "llama.cpp-vocab/ggml-vocab-" + GetParam() + ".gguf";
  const auto tokenizer = Tokenizer::from_gguf(GgufFile(path));
  const auto texts = split_texts(test::read_text(path + ".inp"));
  const auto expected = test::read_lines(path + ".out");
  ASSERT_GE(texts.size(), 40U);
  ASSERT_LE(expected.size(), texts.size());

  for (size_t index = 0; index < texts.size(); ++index) {
    const std::string line = index < expected.size() ? expected[index] : "";
    EXPECT_EQ(tokenizer->encode(texts[index], {.add_special = false}), numbers_in(line))
        << texts[index];
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, LlamaCppVectors, testing::Values("gpt-2", "llama-spm"),
                         [](const auto& place) {
                           return std::string(place.param) == "gpt-2" ? "gpt2" : "llama";
                         });

// What a name in tokenizer.ggml.pre stands for is what the families' tokenizer.json say.
TEST(TokenizerGolden, GgufVocabulariesEqualTheJsonTheyWereMadeFrom) {
  const auto texts = test::sample_texts();
  for (const char* name : {"gpt2", "llama3", "qwen2", "tekken", "falcon", "deepseek", "deepseek3",
                           "deepseek-llm", "default", "smollm", "bert"}) {
    const std::string path = test::kTokenData + "small/" + name;
    const auto from_gguf = Tokenizer::from_gguf(GgufFile(path + ".gguf"));
    const auto from_json = Tokenizer::from_json(path + ".json");
    for (const std::string& text : texts) {
      const auto tokens = from_json->encode(text, {.parse_special = true});
      ASSERT_EQ(from_gguf->encode(text, {.parse_special = true}), tokens) << name << ": " << text;
      ASSERT_EQ(from_gguf->decode(tokens), from_json->decode(tokens)) << name << ": " << text;
    }
  }
}

TEST(TokenizerGolden, APieceAtATimeIsTheWholeText) {
  const auto texts = test::sample_texts();
  for (const char* name : {"smollm2/tokenizer.json", "bert-uncased/tokenizer.json",
                           "small/llama2.json", "small/metaspace-first.json", "small/added.json"}) {
    const auto tokenizer = test::json_tokenizer(name);
    for (const std::string& text : texts) {
      for (const bool skip : {false, true}) {
        const auto tokens = tokenizer->encode(text, {.parse_special = true});
        Detokenizer detokenizer(*tokenizer, skip);
        std::string joined;
        for (const int32_t token : tokens) joined += detokenizer.push(token);
        joined += detokenizer.finish();
        ASSERT_EQ(joined, tokenizer->decode(tokens, skip)) << name << ": " << text;
      }
    }
  }
}

}  // namespace
}  // namespace kvs
