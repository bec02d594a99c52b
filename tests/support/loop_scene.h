#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kvs/gguf.h"
#include "kvs/tokenizer.h"
#include "serve/engine_loop.h"
#include "support/tiny_model.h"

namespace kvs::test {

/// Loops over an engine with the model of the stories, in f32.
class LoopScene : public testing::Test {
 protected:
  Task task(const std::string& text, int64_t max_tokens = 20) const {
    return {.id = "a",
            .tokens = tokenizer->encode(text),
            .max_tokens = max_tokens,
            .reuse = {.policy = Policy::epic}};
  }

  std::shared_ptr<AnswerChannel> submit(EngineLoop& loop, Task task) const {
    auto channel = std::make_shared<AnswerChannel>(1);
    std::vector<Job> jobs;
    jobs.push_back({.task = std::move(task), .channel = channel});
    EXPECT_TRUE(loop.submit(std::move(jobs)));
    return channel;
  }

  static Response wait(AnswerChannel& channel, std::string* text = nullptr) {
    for (;;)
      for (AnswerPiece& piece : channel.take(std::chrono::milliseconds(1000))) {
        if (text) *text += piece.text;
        if (piece.end) return *std::move(piece.end);
      }
  }

  // Of all choices, in their order.
  static std::vector<ReuseReport> reuse_of(AnswerChannel& channel, size_t choices) {
    std::vector<ReuseReport> reports(choices);
    while (!channel.finished())
      for (const AnswerPiece& piece : channel.take(std::chrono::milliseconds(1000)))
        if (piece.end) reports[piece.choice] = piece.end->reuse;
    return reports;
  }

  std::unique_ptr<Tokenizer> tokenizer =
      Tokenizer::from_gguf(GgufFile(data_path("stories260K.gguf")));
  TinyModel model{data_path("stories260K.gguf")};
  Engine engine{
      model.transformer, tokenizer.get(), {.max_blocks = 64, .kv_type = DType::f32, .parallel = 4}};
  const std::string body =
      "Once upon a time, Tim had a red car and a blue ball. One day Tim saw a big dog in the park.";
};

}  // namespace kvs::test
