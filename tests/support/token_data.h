#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "kvs/json.h"
#include "kvs/tokenizer.h"

namespace kvs::test {

inline const std::string kTokenData = KVS_TEST_DATA "/tokenizers/";

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::istringstream text(read_text(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

/// The texts that golden.jsonl has a row for.
inline std::vector<std::string> sample_texts() {
  std::vector<std::string> texts;
  for (const std::string& line : read_lines(kTokenData + "samples.jsonl"))
    texts.push_back(Json::parse(line, "samples.jsonl").as_string());
  return texts;
}

/// "smollm2/tokenizer.json", "small/llama2.json", …
inline std::unique_ptr<Tokenizer> json_tokenizer(const std::string& name) {
  return Tokenizer::from_json(kTokenData + name);
}

}  // namespace kvs::test
