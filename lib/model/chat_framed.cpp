#include <algorithm>

#include "base/printable.h"
#include "kvs/error.h"
#include "model/chat_style.h"
#include "model/chat_writer.h"

namespace kvs {
namespace {

constexpr std::string_view kThought = "<think>";
constexpr std::string_view kThoughtEnd = "</think>";

void check_role(const FramedStyle& style, const ChatMessage& message, size_t number) {
  const bool known =
      message.role == "system" || message.role == "user" || message.role == "assistant";
  const bool is_tool = message.role == "tool" || message.role == "ipython";
  if (!known && (!style.any_role || (style.has_tools && is_tool)))
    fail(ErrorKind::argument, "chat: message {} has role '{}', expected system, user or assistant",
         number, printable(message.role));
}

std::string_view without_newlines(std::string_view text, bool left, bool right) {
  while (left && text.starts_with('\n')) text.remove_prefix(1);
  while (right && text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

class FramedChat {
 public:
  FramedChat(const FramedStyle& style, std::span<const ChatMessage> messages,
             const RenderOptions& options)
      : style_(style), messages_(messages), options_(options) {}

  RenderedChat run() {
    writer_.markup(style_.begin);
    size_t first = 0;
    if (!style_.cutoff.empty())
      first = put_dated_system();
    else if (!style_.default_system.empty() && messages_[0].role != "system")
      put_markup_message("system", style_.default_system);
    for (size_t index = first; index < messages_.size(); ++index) {
      check_role(style_, messages_[index], index + 1);
      put_message(index);
    }
    if (options_.add_generation_prompt || style_.always_opens) writer_.markup(style_.generation);
    return writer_.take();
  }

 private:
  void open(std::string_view role) {
    writer_.markup(style_.before_role);
    writer_.user(role);
    writer_.markup(style_.after_role);
  }

  void put_markup_message(std::string_view role, std::string_view content) {
    open(role);
    writer_.markup(content);
    writer_.markup(style_.after_message);
  }

  // Llama 3.1: a system message of dates, behind which the user's own stands. Returns how many
  // messages that took.
  size_t put_dated_system() {
    const bool has_system = messages_[0].role == "system";
    open("system");
    writer_.markup(style_.cutoff + "\nToday Date: ");
    writer_.user(options_.date.empty() ? style_.date : options_.date);
    writer_.markup("\n\n");
    if (has_system) writer_.user(trimmed(messages_[0].content));
    writer_.markup(style_.after_message);
    return has_system ? 1 : 0;
  }

  void put_message(size_t index) {
    const ChatMessage& message = messages_[index];
    open(message.role);
    if (style_.drops_thoughts && message.role == "assistant")
      put_answer(index);
    else
      writer_.user(style_.trims ? trimmed(message.content) : message.content);
    writer_.markup(style_.after_message);
  }

  // Qwen 3: thoughts stay only behind the last question; the last answer always shows a place for
  // them.
  void put_answer(size_t index) {
    std::string_view content = messages_[index].content;
    std::string_view thoughts;
    const size_t end = content.find(kThoughtEnd);
    if (end != content.npos) {
      thoughts = without_newlines(content.substr(0, end), false, true);
      const size_t begin = thoughts.rfind(kThought);
      if (begin != thoughts.npos) thoughts.remove_prefix(begin + kThought.size());
      thoughts = without_newlines(thoughts, true, true);
      content.remove_prefix(content.rfind(kThoughtEnd) + kThoughtEnd.size());
      content = without_newlines(content, true, false);
    }
    const bool is_last = index + 1 == messages_.size();
    if (index > last_question() && (is_last || !thoughts.empty())) {
      writer_.markup("<think>\n");
      writer_.user(thoughts);
      writer_.markup("\n</think>\n\n");
      content = without_newlines(content, true, false);
    }
    writer_.user(content);
  }

  size_t last_question() const {
    for (size_t index = messages_.size(); index-- > 0;) {
      const ChatMessage& message = messages_[index];
      const bool is_tool = message.content.starts_with("<tool_response>") &&
                           message.content.ends_with("</tool_response>");
      if (message.role == "user" && !is_tool) return index;
    }
    return messages_.size() - 1;
  }

  const FramedStyle& style_;
  std::span<const ChatMessage> messages_;
  const RenderOptions& options_;
  ChatWriter writer_;
};

}  // namespace

RenderedChat render_framed(const FramedStyle& style, std::span<const ChatMessage> messages,
                           const RenderOptions& options) {
  return FramedChat(style, messages, options).run();
}

}  // namespace kvs
