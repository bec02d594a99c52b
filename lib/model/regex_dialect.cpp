#include "model/regex_dialect.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/printable.h"
#include "kvs/error.h"

namespace kvs {
namespace {

// PCRE2's own \s counts U+180E and its \w neither marks nor connectors.
constexpr std::string_view kSpaceClass = R"(\t-\r\x{85}\p{Z})";
constexpr std::string_view kWord = R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc})";
constexpr std::string_view kHex = "0-9A-Fa-f";

// PCRE2 reads a bare script name as Script_Extensions, Oniguruma as Script.
constexpr std::array<std::string_view, 12> kScripts = {
    "Han",   "Hiragana", "Katakana", "Hangul", "Latin",      "Cyrillic",
    "Greek", "Arabic",   "Hebrew",   "Thai",   "Devanagari", "Bopomofo"};

class Translator {
 public:
  Translator(std::string_view in, std::string_view subject) : in_(in), subject_(subject) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }

  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorKind::format, "{}: pattern '{}' uses {}, which is not supported", subject_,
         printable(in_, 200), what);
  }

  void copy(size_t count) {
    out_ += in_.substr(at_, count);
    at_ += count;
  }

  void step() {
    if (peek() == '{' && interval()) return;
    if (peek() == '(') {
      group_starts_.push_back(out_.size());
      if (!flags()) copy(1);
      return;
    }
    if (peek() == ')') {
      copy(1);
      if (!group_starts_.empty()) {
        atom_ = group_starts_.back();
        group_starts_.pop_back();
      }
      return;
    }
    if (std::string_view("*+?|").find(peek()) != std::string_view::npos) return copy(1);
    atom_ = out_.size();
    if (peek() == '\\')
      escape(false);
    else if (peek() == '[')
      char_class();
    else
      copy(1);
  }

  // {,n} is {0,n} in Ruby; {n,m}+ repeats the interval there, and is possessive in PCRE2.
  bool interval() {
    const size_t end = in_.find('}', at_);
    if (end == std::string_view::npos) return false;
    const std::string_view body = in_.substr(at_ + 1, end - at_ - 1);
    if (body.empty() || body == "," || body.find_first_not_of("0123456789,") != body.npos)
      return false;
    const std::string count = body[0] == ',' ? "0" + std::string(body) : std::string(body);
    out_ += "{" + count + "}";
    at_ = end + 1;
    if (peek() == '+') {
      out_.insert(atom_, "(?:");
      out_ += ")+";
      ++at_;
    }
    return true;
  }

  // Ruby's (?m) lets the dot match a newline, which PCRE2 calls (?s).
  bool flags() {
    if (in_.substr(at_, 2) != "(?") return false;
    const size_t end = in_.find_first_not_of("imx-", at_ + 2);
    if (end == std::string_view::npos || end == at_ + 2 || (in_[end] != ':' && in_[end] != ')'))
      return false;
    std::string text(in_.substr(at_, end - at_));
    std::replace(text.begin(), text.end(), 'm', 's');
    out_ += text;
    at_ = end;
    if (peek() == ':') copy(1);
    return true;
  }

  void put_class(std::string_view members, bool in_class, bool negated) {
    if (in_class && negated) refuse("a negated class inside a class");
    if (in_class)
      out_ += members;
    else
      out_.append(negated ? "[^" : "[").append(members).append("]");
    at_ += 2;
  }

  void escape(bool in_class) {
    switch (peek(1)) {
      case 's':
        return put_class(kSpaceClass, in_class, false);
      case 'w':
        return put_class(kWord, in_class, false);
      case 'h':
        return put_class(kHex, in_class, false);
      case 'W':
        return put_class(kWord, in_class, true);
      case 'H':
        return put_class(kHex, in_class, true);
      case 'S':
        return in_class ? copy(2) : put_class(kSpaceClass, in_class, true);
      case 'p':
      case 'P':
        return property();
      case 'u':
        return code_unit();
      case '\0':
        return copy(1);
      default:
        return copy(2);
    }
  }

  void property() {
    const size_t end = in_.find('}', at_);
    if (peek(2) != '{' || end == std::string_view::npos) return copy(2);
    const std::string_view name = in_.substr(at_ + 3, end - at_ - 3);
    const bool script = std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end();
    out_.append(in_.substr(at_, 3)).append(script ? "sc:" : "").append(name).append("}");
    at_ = end + 1;
  }

  void code_unit() {
    out_.append("\\x{").append(in_.substr(at_ + 2, 4)).append("}");
    at_ = std::min(at_ + 6, in_.size());
  }

  void char_class() {
    copy(1);
    if (peek() == '^') copy(1);
    if (peek() == ']') copy(1);
    while (at_ < in_.size() && peek() != ']') {
      if (peek() == '\\')
        escape(true);
      else if (peek() == '[' && peek(1) == ':')
        copy(std::min(in_.find(":]", at_), in_.size()) + 2 - at_);
      else if (peek() == '[')
        refuse("a character class inside a class");
      else if (peek() == '&' && peek(1) == '&')
        refuse("an intersection of character classes");
      else
        copy(1);
    }
    if (at_ < in_.size()) copy(1);
  }

  std::string_view in_;
  std::string_view subject_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_ = 0;  // where the last atom begins in `out_`
  std::vector<size_t> group_starts_;
};

}  // namespace

std::string pcre2_pattern(std::string_view ruby_pattern, std::string_view subject) {
  return Translator(ruby_pattern, subject).run();
}

}  // namespace kvs
