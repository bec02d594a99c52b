#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/chat_message.h"
#include "kvs/export.h"
#include "kvs/text_range.h"
#include "kvs/tokenizer.h"

namespace kvs {

struct ChatStyle;

/// A conversation as one text. `markup` are the bytes that come from the template, where special
/// tokens count as such; everything else was written by the users and never does. To be encoded
/// with EncodeOptions{.add_special = false, .markup = markup}: the text has its BOS already.
struct RenderedChat {
  std::string text;
  std::vector<TextRange> markup;  ///< sorted, disjoint, none empty
};

struct RenderOptions {
  /// End with what opens the assistant's answer.
  bool add_generation_prompt = true;
  /// "Today" for the templates that name a date (Llama 3.1 and later), as "26 Jul 2024". Empty: the
  /// date that the template itself gives. Some templates would ask the clock; this never does.
  std::string date;
};

/// How a model wants conversations written. Knows the families ChatML (SmolLM2, Qwen 2, 2.5 and 3),
/// Llama 2, Llama 3, Mistral, Zephyr and Yi, without tools. Renders what the model's own Jinja
/// template renders in Hugging Face transformers. Immutable; may be used from many threads.
class KVS_API ChatTemplate {
 public:
  /// Recognises the model's own Jinja template, and takes from it what differs within a family: the
  /// default system prompt, spaces, trimming, dates. `bos` and `eos` are the texts of those tokens.
  /// Throws Error(format), naming --chat-template as the way out, where it is none of the
  /// families'.
  static ChatTemplate recognise(std::string_view jinja, std::string_view bos, std::string_view eos);

  /// A family by name, see names(). Throws Error(argument) for any other.
  static ChatTemplate named(std::string_view name, std::string_view bos, std::string_view eos);
  static std::vector<std::string_view> names();

  /// named(name) where `name` is not empty, else what `tokenizer` brings along.
  static ChatTemplate of(const Tokenizer& tokenizer, std::string_view name = "");

  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// The family's name.
  const std::string& name() const;

  /// Throws Error(argument), naming the message, where there is none, or where the template does
  /// not know a role or wants the roles in another order.
  RenderedChat render(std::span<const ChatMessage> messages,
                      const RenderOptions& options = {}) const;

 private:
  explicit ChatTemplate(ChatStyle style);
  std::unique_ptr<const ChatStyle> style_;
};

}  // namespace kvs
