#include "kvs/chat_template.h"

#include <fmt/ranges.h>

#include "kvs/error.h"
#include "model/chat_style.h"

namespace kvs {
namespace {

std::string text_of(const Tokenizer& tokenizer, std::optional<int32_t> id) {
  return id ? tokenizer.token_text(*id).value_or("") : "";
}

}  // namespace

ChatTemplate::ChatTemplate(ChatStyle style)
    : style_(std::make_unique<const ChatStyle>(std::move(style))) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

ChatTemplate ChatTemplate::recognise(std::string_view jinja, std::string_view bos,
                                     std::string_view eos) {
  return ChatTemplate(recognised_style(jinja, bos, eos));
}

ChatTemplate ChatTemplate::named(std::string_view name, std::string_view bos,
                                 std::string_view eos) {
  return ChatTemplate(named_style(name, bos, eos));
}

ChatTemplate ChatTemplate::of(const Tokenizer& tokenizer, std::string_view name) {
  const std::string bos = text_of(tokenizer, tokenizer.bos());
  const std::string eos = text_of(tokenizer, tokenizer.eos());
  if (!name.empty()) return named(name, bos, eos);
  if (tokenizer.chat_template().empty())
    fail(ErrorKind::format,
         "chat template: the model brings none along; name one with --chat-template ({})",
         fmt::join(names(), ", "));
  return recognise(tokenizer.chat_template(), bos, eos);
}

const std::string& ChatTemplate::name() const {
  return style_->name;
}

RenderedChat ChatTemplate::render(std::span<const ChatMessage> messages,
                                  const RenderOptions& options) const {
  if (messages.empty()) fail(ErrorKind::argument, "chat: there are no messages");
  if (const auto* framed = std::get_if<FramedStyle>(&style_->style))
    return render_framed(*framed, messages, options);
  return render_turns(std::get<TurnStyle>(style_->style), messages);
}

}  // namespace kvs
