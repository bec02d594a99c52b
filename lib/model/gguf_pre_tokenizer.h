#pragma once

#include <string_view>

#include "kvs/export.h"
#include "kvs/json.h"

namespace kvs {

/// What a name in tokenizer.ggml.pre stands for, in the terms of tokenizer.json.
struct GgufPreTokenizer {
  Json normalizer;  ///< may be null
  Json pre_tokenizer;
  bool ignore_merges = false;
  bool add_bos = false;  ///< where the file does not say
};

/// Throws Error(format), opening with `source`, where the name is not known here.
/// Source: llama.cpp's table of pre-tokenizers; the tokenizer.json of the families themselves.
KVS_API GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view source);

}  // namespace kvs
