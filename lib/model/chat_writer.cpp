#include "model/chat_writer.h"

#include <algorithm>

#include "base/utf8.h"
#include "model/unicode.h"

namespace kvs {
namespace {

bool is_python_space(char32_t c) {
  return is_whitespace(c) || (c >= 0x1C && c <= 0x1F);
}

}  // namespace

void ChatWriter::markup(std::string_view text) {
  if (text.empty()) return;
  const size_t begin = chat_.text.size();
  chat_.text += text;
  if (!chat_.markup.empty() && chat_.markup.back().end == begin)
    chat_.markup.back().end = chat_.text.size();
  else
    chat_.markup.push_back({begin, chat_.text.size()});
}

void ChatWriter::trim_end() {
  const size_t end = trimmed_right(chat_.text).size();
  chat_.text.resize(end);
  while (!chat_.markup.empty() && chat_.markup.back().begin >= end) chat_.markup.pop_back();
  if (!chat_.markup.empty()) chat_.markup.back().end = std::min(chat_.markup.back().end, end);
}

std::string_view trimmed_right(std::string_view text) {
  while (!text.empty()) {
    const CodePoint last = code_point_before(text, text.size());
    if (!is_python_space(last.value)) break;
    text.remove_suffix(last.bytes);
  }
  return text;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty()) {
    const CodePoint first = code_point_at(text, 0);
    if (!is_python_space(first.value)) break;
    text.remove_prefix(first.bytes);
  }
  return trimmed_right(text);
}

}  // namespace kvs
