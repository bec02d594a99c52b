#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kvs/engine.h"
#include "kvs/gguf.h"
#include "support/tiny_model.h"

namespace kvs::test {

/// An engine over a tiny model that tells stories.
class Stories : public testing::Test {
 protected:
  std::vector<int32_t> encode(const std::string& text) { return tokenizer->encode(text); }

  Task task(const std::string& text, const std::string& id = "a") {
    return {.id = id, .tokens = encode(text), .max_tokens = 20, .reuse = {.sinks = 4}};
  }

  // Longer than a fingerprint's reach, which finds spans of 31 tokens for certain, and than what
  // kvshare computes at least.
  const std::string body =
      "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park. "
      "The dog wanted to play with the ball. Lily sat under a tree and ate three cakes with her "
      "mom, but the rain came down and they ran home as fast as they could.";
  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  TinyModel model{data_path("stories260K.gguf")};
  Engine engine{model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32}};
};

}  // namespace kvs::test
