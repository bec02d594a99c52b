#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kvs/prompt_encoder.h"
#include "kvs/request.h"

namespace kvs {

/// Every `count`-th prompt, beginning with the `index`-th (from 1).
struct Shard {
  int64_t index = 1;
  int64_t count = 1;
};

/// "I/N" with 1 <= I <= N. Throws Error(argument).
Shard parse_shard(const std::string& text);

/// What a run of a tool reads: the prompts of files or of standard input.
struct PromptSource {
  std::vector<std::string> files;
  Shard shard;
  bool keep_going = false;  ///< say what cannot be read and go on

  using OnPrompt = std::function<void(const Request&, std::vector<int32_t> tokens)>;
  /// Calls `on_prompt` for each prompt of the shard; returns how many were skipped. Throws
  /// Interrupted.
  int64_t for_each(const PromptEncoder& encoder, const OnPrompt& on_prompt) const;

  /// How many prompts there are in the shard; 0 where one of the files is no regular file.
  int64_t count() const;
};

}  // namespace kvs
