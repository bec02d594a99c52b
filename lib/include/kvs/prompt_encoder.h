#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/chat_template.h"
#include "kvs/export.h"
#include "kvs/request.h"
#include "kvs/tokenizer.h"

namespace kvs {

/// Turns what a user asks for into tokens: a model's tokenizer and chat template, without weights.
class KVS_API PromptEncoder {
 public:
  struct Options {
    std::string chat_template;   ///< a name; empty: the model's own
    bool parse_special = false;  ///< recognise special tokens in users' text too
  };

  /// `model`: a GGUF file (a vocabulary without weights suffices), a Hugging Face directory, or
  /// random:SHAPE, which has no tokenizer. Throws what Tokenizer throws, and Error(argument) for an
  /// unknown template name. A model's own template that is not known is an error only when used.
  PromptEncoder(std::string_view model, Options options);

  /// Throws Error(argument), naming the request, where its kind of prompt cannot be encoded: text
  /// without a tokenizer, messages without a known chat template.
  std::vector<int32_t> encode(const Request& request) const;

  /// The conversation as the template renders it, ready for the model's answer.
  std::vector<int32_t> encode_chat(const std::vector<ChatMessage>& messages) const;

  const Tokenizer* tokenizer() const { return tokenizer_.get(); }  ///< null for random:SHAPE
  std::string tokenizer_hash() const;                              ///< "" without a tokenizer

 private:
  const ChatTemplate& chat_template() const;

  Options options_;
  std::string model_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::optional<ChatTemplate> chat_template_;
  std::string template_error_;  // why there is none
};

}  // namespace kvs
