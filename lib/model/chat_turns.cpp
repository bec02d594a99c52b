#include "base/printable.h"
#include "kvs/error.h"
#include "model/chat_style.h"
#include "model/chat_writer.h"

namespace kvs {
namespace {

class TurnChat {
 public:
  TurnChat(const TurnStyle& style, std::span<const ChatMessage> messages)
      : style_(style), messages_(messages) {}

  RenderedChat run() {
    if (messages_[0].role == "system") take_system();
    check_roles();
    writer_.markup(style_.begin);
    if (style_.system == SystemPlace::bare) writer_.user(system_);
    for (size_t index = 0; index < messages_.size(); ++index) {
      if (messages_[index].role == "user")
        put_question(index);
      else
        put_answer(messages_[index].content);
    }
    return writer_.take();
  }

 private:
  void take_system() {
    if (style_.system == SystemPlace::nowhere)
      fail(ErrorKind::argument,
           "chat: message 1 has role 'system', which this model's template does not know");
    has_system_ = true;
    system_ = messages_[0].content;
    messages_ = messages_.subspan(1);
  }

  void check_roles() const {
    for (size_t index = 0; index < messages_.size(); ++index) {
      const std::string& role = messages_[index].role;
      const size_t number = index + 1 + (has_system_ ? 1 : 0);
      if (role != "user" && role != "assistant")
        fail(ErrorKind::argument, "chat: message {} has role '{}', expected user or assistant",
             number, printable(role));
      const std::string_view expected = index % 2 == 0 ? "user" : "assistant";
      if (style_.alternates && role != expected)
        fail(ErrorKind::argument,
             "chat: message {} has role '{}', expected '{}': this model's roles must alternate",
             number, role, expected);
    }
  }

  bool carries_system(size_t index) const {
    if (!has_system_) return false;
    if (style_.system == SystemPlace::in_last) return index + 1 == messages_.size();
    return index == 0 && style_.system != SystemPlace::bare;
  }

  void put_question(size_t index) {
    const std::string_view content = messages_[index].content;
    writer_.markup(style_.before_user);
    if (!carries_system(index)) {
      writer_.user(style_.trims_user ? trimmed(content) : content);
    } else if (style_.system == SystemPlace::marked_in_first) {
      writer_.markup("<<SYS>>\n");
      writer_.user(system_);
      writer_.markup("\n<</SYS>>\n\n");
      writer_.user(style_.trims_user ? trimmed_right(content) : content);
      if (style_.trims_user && trimmed(content).empty()) writer_.trim_end();
    } else {
      writer_.user(system_);
      writer_.markup("\n\n");
      writer_.user(content);
    }
    writer_.markup(style_.after_user);
  }

  void put_answer(std::string_view content) {
    writer_.markup(style_.before_answer);
    writer_.user(style_.trims_answer ? trimmed(content) : content);
    writer_.markup(style_.after_answer);
  }

  const TurnStyle& style_;
  std::span<const ChatMessage> messages_;
  bool has_system_ = false;
  std::string_view system_;
  ChatWriter writer_;
};

}  // namespace

RenderedChat render_turns(const TurnStyle& style, std::span<const ChatMessage> messages) {
  return TurnChat(style, messages).run();
}

}  // namespace kvs
