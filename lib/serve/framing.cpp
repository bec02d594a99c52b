#include "serve/framing.h"

#include <strings.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "serve/refusal.h"

namespace kvs {
namespace {

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) {
  throw Refusal{.message = "the request's head: " + fmt::format(text, std::forward<Args>(args)...),
                .code = "bad_request"};
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

bool is_field_name(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || kOthers.find(c) != kOthers.npos;
  });
}

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// Without its end; what follows stays in `head`.
std::string_view take_line(std::string_view& head) {
  const size_t end = head.find('\n');
  if (end == head.npos || end == 0 || head[end - 1] != '\r') refuse("a line does not end in CR LF");
  const std::string_view line = head.substr(0, end - 1);
  head.remove_prefix(end + 1);
  if (std::any_of(line.begin(), line.end(), is_control)) refuse("it has control characters");
  return line;
}

uint64_t read_length(std::string_view value) {
  uint64_t length = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, length);
  if (error != std::errc() || stop != end)
    refuse("Content-Length: expected a number, found '{}'", value.substr(0, 40));
  return length;
}

}  // namespace

Framing read_framing(std::string_view head) {
  Framing framing;
  int hosts = 0;
  take_line(head);  // the first one is the library's to read
  while (!head.empty()) {
    const std::string_view line = take_line(head);
    if (line.empty()) break;
    const size_t colon = std::min(line.find(':'), line.size());
    const std::string_view name = line.substr(0, colon), rest = line.substr(colon);
    if (!is_field_name(name) || rest.empty())
      refuse("expected 'name: value', found '{}'", line.substr(0, 40));
    const std::string_view value = trimmed(rest.substr(1));
    if (same(name, "Content-Length")) {
      if (framing.length) refuse("there is more than one Content-Length");
      framing.length = read_length(value);
    } else if (same(name, "Transfer-Encoding")) {
      if (framing.chunked || !same(value, "chunked"))
        refuse("Transfer-Encoding: expected chunked, found '{}'", value.substr(0, 40));
      framing.chunked = true;
    } else if (same(name, "Host") && ++hosts > 1) {
      refuse("there is more than one Host");
    }
  }
  if (framing.chunked && framing.length) refuse("it has a Content-Length and a Transfer-Encoding");
  return framing;
}

}  // namespace kvs
