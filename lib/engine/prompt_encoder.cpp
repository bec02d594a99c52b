#include "kvs/prompt_encoder.h"

#include <algorithm>
#include <filesystem>

#include "kvs/error.h"
#include "kvs/gguf.h"

namespace kvs {
namespace {

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& model) {
  if (model.starts_with("random:")) return nullptr;
  if (std::filesystem::is_directory(model)) {
    const std::filesystem::path file = std::filesystem::path(model) / "tokenizer.json";
    if (!std::filesystem::exists(file))
      fail(ErrorKind::io, "{}: a folder without tokenizer.json", model);
    return Tokenizer::from_json(file);
  }
  return Tokenizer::from_gguf(GgufFile(model));
}

}  // namespace

PromptEncoder::PromptEncoder(std::string_view model, Options options)
    : options_(std::move(options)), model_(model), tokenizer_(open_tokenizer(model_)) {
  if (!options_.chat_template.empty()) {
    chat_template_ = ChatTemplate::of(*tokenizer_, options_.chat_template);
  } else if (tokenizer_) {
    try {
      chat_template_ = ChatTemplate::of(*tokenizer_);
    } catch (const Error& e) {
      template_error_ = e.what();
    }
  }
}

const ChatTemplate& PromptEncoder::chat_template() const {
  if (!chat_template_) fail(ErrorKind::argument, "{}", template_error_);
  return *chat_template_;
}

std::vector<int32_t> PromptEncoder::encode_chat(const std::vector<ChatMessage>& messages) const {
  const RenderedChat chat = chat_template().render(messages, {.add_generation_prompt = true});
  return tokenizer_->encode(
      chat.text,
      {.add_special = false, .parse_special = options_.parse_special, .markup = chat.markup});
}

std::vector<int32_t> PromptEncoder::encode(const Request& request) const {
  if (const auto* tokens = std::get_if<std::vector<int32_t>>(&request.prompt)) return *tokens;
  if (!tokenizer_)
    fail(ErrorKind::argument, "request '{}': {} has no tokenizer, give \"tokens\"", request.id,
         model_);
  if (const auto* text = std::get_if<std::string>(&request.prompt))
    return tokenizer_->encode(*text, {.parse_special = options_.parse_special});
  return encode_chat(std::get<std::vector<ChatMessage>>(request.prompt));
}

std::string PromptEncoder::tokenizer_hash() const {
  return tokenizer_ ? to_hex(tokenizer_->hash()) : std::string();
}

}  // namespace kvs
