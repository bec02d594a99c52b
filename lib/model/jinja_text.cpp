#include "model/jinja_text.h"

#include <algorithm>
#include <array>

#include "model/replace_all.h"

namespace kvs {
namespace {

constexpr std::string_view kBlank = " \t\n\r\v\f";

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void put_literal(std::string& out, std::string_view text) {
  out += '\'';
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '\'' || c == '\\')
      out.append("\\").append(1, c);
    else
      out += c;
  }
  out += '\'';
}

class Canonical {
 public:
  explicit Canonical(std::string_view in) : in_(in) {}

  std::string run() {
    while (at_ < in_.size()) {
      const size_t tag = next_tag();
      put_text(in_.substr(at_, tag - at_), tag);
      at_ = tag;
      if (at_ < in_.size()) put_tag();
    }
    return std::move(out_);
  }

 private:
  size_t next_tag() const {
    for (size_t at = at_; at + 1 < in_.size(); ++at)
      if (in_[at] == '{' && (in_[at + 1] == '{' || in_[at + 1] == '%' || in_[at + 1] == '#'))
        return at;
    return in_.size();
  }

  void put_text(std::string_view text, size_t tag) {
    if (strip_next_)
      text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
    else if (trim_newline_ && text.starts_with('\n'))
      text.remove_prefix(1);
    if (tag < in_.size() && tag + 2 < in_.size()) {
      if (in_[tag + 2] == '-')
        text = text.substr(0, text.find_last_not_of(kBlank) + 1);
      else if (in_[tag + 1] != '{' && in_[tag + 2] != '+')
        text = without_indent(text, tag - at_ == text.size());
    } else if (tag == in_.size() && text.ends_with('\n')) {
      text.remove_suffix(1);  // Jinja drops one newline at the very end
    }
    if (text.empty()) return;
    out_ += "{{";
    put_literal(out_, text);
    out_ += "}}";
  }

  // lstrip_blocks: blanks between the beginning of a line and a block tag do not count.
  std::string_view without_indent(std::string_view text, bool whole) const {
    const size_t last = text.find_last_not_of(" \t");
    if (last == text.npos) return whole && at_ > 0 && !trim_newline_ ? text : text.substr(0, 0);
    return text[last] == '\n' ? text.substr(0, last + 1) : text;
  }

  void put_tag() {
    const char kind = in_[at_ + 1];
    at_ += 2;
    if (kind == '#') {
      const size_t end = std::min(in_.find("#}", at_), in_.size());
      finish_tag(end, end > at_ && in_[end - 1] == '-', true);
      return;
    }
    if (at_ < in_.size() && (in_[at_] == '-' || in_[at_] == '+')) ++at_;
    out_.append("{").append(1, kind);
    const char close = kind == '{' ? '}' : '%';
    while (at_ < in_.size() && !is_end(close)) put_token();
    const bool dash = at_ < in_.size() && in_[at_] == '-';
    out_.append(1, close).append("}");
    finish_tag(std::min(at_ + (dash ? 1 : 0), in_.size()), dash, kind == '%');
  }

  bool is_end(char close) const {
    const size_t at = in_[at_] == '-' ? at_ + 1 : at_;
    return at + 1 < in_.size() && in_[at] == close && in_[at + 1] == '}';
  }

  void finish_tag(size_t end, bool dash, bool is_block) {
    at_ = std::min(end + 2, in_.size());
    strip_next_ = dash;
    trim_newline_ = is_block;
  }

  void put_token() {
    const char c = in_[at_];
    if (kBlank.find(c) != kBlank.npos) {
      ++at_;
      return;
    }
    if (c == '\'' || c == '"') return put_string(c);
    if (is_name(c)) {
      if (!out_.empty() && is_name(out_.back())) out_ += ' ';
      while (at_ < in_.size() && is_name(in_[at_])) out_ += in_[at_++];
      return;
    }
    out_ += c;
    ++at_;
  }

  void put_string(char quote) {
    std::string text;
    for (++at_; at_ < in_.size() && in_[at_] != quote; ++at_) {
      if (in_[at_] == '\\' && at_ + 1 < in_.size()) {
        ++at_;
        text += in_[at_] == 'n' ? '\n' : in_[at_] == 't' ? '\t' : in_[at_];
      } else {
        text += in_[at_];
      }
    }
    at_ = std::min(at_ + 1, in_.size());
    put_literal(out_, text);
  }

  std::string_view in_;
  size_t at_ = 0;
  bool strip_next_ = false;    // the last tag ended in a dash
  bool trim_newline_ = false;  // the last tag was a block or a comment
  std::string out_;
};

}  // namespace

std::string canonical_jinja(std::string_view text) {
  std::string out = Canonical(text).run();
  constexpr std::array<std::array<std::string_view, 2>, 6> kSpellings = {
      {{"message.role", "message['role']"},
       {"message.content", "message['content']"},
       {"messages[0].role", "messages[0]['role']"},
       {"messages[0].content", "messages[0]['content']"},
       {".strip()", "|trim"},
       {"(message['content']|trim)", "message['content']|trim"}}};
  for (const auto& [from, to] : kSpellings) replace_all(out, from, to);
  return out;
}

std::string unescape_jinja(std::string_view literal) {
  std::string out;
  for (size_t at = 0; at < literal.size(); ++at) {
    if (literal[at] == '\\' && at + 1 < literal.size()) {
      ++at;
      out += literal[at] == 'n' ? '\n' : literal[at];
    } else {
      out += literal[at];
    }
  }
  return out;
}

}  // namespace kvs
