#include "model/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/utf8.h"
#include "kvs/error.h"

namespace kvs {
namespace {

utf8proc_category_t category(char32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

bool is_ascii_punctuation(char32_t code_point) {
  return (code_point >= 0x21 && code_point <= 0x2F) || (code_point >= 0x3A && code_point <= 0x40) ||
         (code_point >= 0x5B && code_point <= 0x60) || (code_point >= 0x7B && code_point <= 0x7E);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char byte) { return byte >= 0; });
}

int combining_class(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

using CodePoints = std::vector<utf8proc_int32_t>;

void decompose(CodePoints& out, char32_t code_point, int options) {
  constexpr int kLongest = 32;  // U+FDFA has the longest decomposition, 18 code points
  utf8proc_int32_t buffer[kLongest];
  int boundary = 0;
  const auto count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point), buffer, kLongest,
                              static_cast<utf8proc_option_t>(options), &boundary);
  out.insert(out.end(), buffer, buffer + std::clamp<utf8proc_ssize_t>(count, 0, kLongest));
}

// utf8proc's own ordering exchanges neighbours, which is quadratic in the length of a run of marks.
void sort_marks(CodePoints& text) {
  const auto is_starter = [](utf8proc_int32_t c) { return combining_class(c) == 0; };
  auto at = text.begin();
  while ((at = std::find_if_not(at, text.end(), is_starter)) != text.end()) {
    const auto end = std::find_if(at, text.end(), is_starter);
    std::stable_sort(at, end, [](utf8proc_int32_t left, utf8proc_int32_t right) {
      return combining_class(left) < combining_class(right);
    });
    at = end;
  }
}

void compose(CodePoints& text) {
  const auto length =
      utf8proc_normalize_utf32(text.data(), static_cast<utf8proc_ssize_t>(text.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (length < 0) fail(ErrorKind::argument, "text: cannot be brought to a Unicode normal form");
  text.resize(length);
}

}  // namespace

bool is_whitespace(char32_t code_point) {
  if (code_point < 0x80) return code_point == ' ' || (code_point >= 9 && code_point <= 13);
  if (code_point == 0x85) return true;
  const auto found = category(code_point);
  return found == UTF8PROC_CATEGORY_ZS || found == UTF8PROC_CATEGORY_ZL ||
         found == UTF8PROC_CATEGORY_ZP;
}

bool is_numeric(char32_t code_point) {
  if (code_point < 0x80) return code_point >= '0' && code_point <= '9';
  const auto found = category(code_point);
  return found >= UTF8PROC_CATEGORY_ND && found <= UTF8PROC_CATEGORY_NO;
}

bool is_punctuation(char32_t code_point) {
  if (code_point < 0x80) return is_ascii_punctuation(code_point);
  const auto found = category(code_point);
  return found >= UTF8PROC_CATEGORY_PC && found <= UTF8PROC_CATEGORY_PO;
}

bool is_mark(char32_t code_point) {
  const auto found = category(code_point);
  return found >= UTF8PROC_CATEGORY_MN && found <= UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(char32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_MN;
}

bool is_control(char32_t code_point) {
  const auto found = category(code_point);
  return found == UTF8PROC_CATEGORY_CC || found == UTF8PROC_CATEGORY_CF ||
         found == UTF8PROC_CATEGORY_CO;
}

bool is_word(char32_t code_point) {
  if (code_point == 0x200C || code_point == 0x200D) return true;  // joiners
  if (code_point >= 0x24B6 && code_point <= 0x24E9) return true;  // circled letters
  const auto found = category(code_point);
  return (found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_ND) ||
         found == UTF8PROC_CATEGORY_NL || found == UTF8PROC_CATEGORY_PC;
}

void append_lower(std::string& out, char32_t code_point) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point >= 'A' && code_point <= 'Z' ? code_point + 32 : code_point);
    return;
  }
  if (code_point == 0x130) {  // the only one whose lower case is two characters
    out += "i\xCC\x87";
    return;
  }
  append_utf8(out,
              static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point))));
}

std::string normalized(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  const int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
  CodePoints code_points;
  code_points.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint next = code_point_at(text, at);
    decompose(code_points, next.value, options);
    at += next.bytes;
  }
  sort_marks(code_points);
  if (form == NormalForm::nfc || form == NormalForm::nfkc) compose(code_points);
  std::string out;
  out.reserve(text.size());
  for (const utf8proc_int32_t code_point : code_points)
    append_utf8(out, static_cast<char32_t>(code_point));
  return out;
}

}  // namespace kvs
