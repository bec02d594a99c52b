#pragma once

#include <string_view>
#include <utility>

#include "kvs/chat_template.h"

namespace kvs {

/// Builds a RenderedChat.
class ChatWriter {
 public:
  /// Text of the template.
  void markup(std::string_view text);
  /// Text of the users.
  void user(std::string_view text) { chat_.text += text; }

  /// Takes whitespace off the end of what has been written.
  void trim_end();

  RenderedChat take() { return std::move(chat_); }

 private:
  RenderedChat chat_;
};

/// Without the whitespace at both ends, as Python's str.strip() sees it.
std::string_view trimmed(std::string_view text);
std::string_view trimmed_right(std::string_view text);

}  // namespace kvs
