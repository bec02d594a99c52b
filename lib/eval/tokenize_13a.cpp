#include <algorithm>
#include <array>
#include <utility>

#include "kvs/text_scores.h"

namespace kvs {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// The symbols that always stand alone: those of ASCII but ' - , and the full stop.
bool stands_alone(char c) {
  return c > ' ' && c <= '~' && !is_digit(c) && !(c >= 'a' && c <= 'z') &&
         !(c >= 'A' && c <= 'Z') && c != '\'' && c != '-' && c != ',' && c != '.';
}

bool is_stop(char c) {
  return c == '.' || c == ',';
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

// Bytes of the white space at `at` as Python's str.split() knows it, or 0.
size_t space_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t k) {
    return at + k < text.size() ? static_cast<unsigned char>(text[at + k]) : 0U;
  };
  const unsigned first = byte(0);
  if ((first >= 0x09 && first <= 0x0d) || (first >= 0x1c && first <= 0x20)) return 1;
  if (first == 0xc2) return byte(1) == 0x85 || byte(1) == 0xa0 ? 2 : 0;
  if (first == 0xe1) return byte(1) == 0x9a && byte(2) == 0x80 ? 3 : 0;
  if (first == 0xe3) return byte(1) == 0x80 && byte(2) == 0x80 ? 3 : 0;
  if (first != 0xe2) return 0;
  if (byte(1) == 0x81) return byte(2) == 0x9f ? 3 : 0;
  const unsigned last = byte(2);
  const bool space = (last >= 0x80 && last <= 0x8a) || last == 0xa8 || last == 0xa9 || last == 0xaf;
  return byte(1) == 0x80 && space ? 3 : 0;
}

std::string_view without_spaces_behind(std::string_view text) {
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t space = space_at(text, at);
    at += std::max<size_t>(space, 1);
    if (space == 0) end = at;
  }
  return text.substr(0, end);
}

// Python's re.sub with a pattern of two neighbouring characters: matches from left to right that do
// not overlap, each with a space put before, between and behind its characters where asked.
template <typename Matches>
std::string space_pairs(std::string_view text, std::array<bool, 3> spaces, Matches matches) {
  std::string out;
  out.reserve(text.size() * 2);
  for (size_t at = 0; at < text.size(); ++at) {
    if (at + 1 == text.size() || !matches(text[at], text[at + 1])) {
      out += text[at];
      continue;
    }
    if (spaces[0]) out += ' ';
    out += text[at];
    if (spaces[1]) out += ' ';
    out += text[++at];
    if (spaces[2]) out += ' ';
  }
  return out;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t at = 0; at < text.size();) {
    const size_t space = space_at(text, at);
    if (space == 0) {
      word += text[at++];
      continue;
    }
    if (!word.empty()) words.push_back(std::exchange(word, {}));
    at += space;
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace

std::vector<std::string> tokenize_13a(std::string_view line) {
  std::string text = replace_all(std::string(without_spaces_behind(line)), "<skipped>", "");
  text = replace_all(replace_all(std::move(text), "-\n", ""), "\n", " ");
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kEntities{
      {{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}}};
  for (const auto& [entity, symbol] : kEntities)
    text = replace_all(std::move(text), entity, symbol);

  std::string apart = " ";
  for (const char c : text) {
    if (stands_alone(c))
      apart.append({' ', c, ' '});
    else
      apart += c;
  }
  apart += ' ';
  // The order of these three and their overlaps decide cases like "a..b": as the source has them.
  apart = space_pairs(apart, {false, true, true},
                      [](char left, char right) { return !is_digit(left) && is_stop(right); });
  apart = space_pairs(apart, {true, true, false},
                      [](char left, char right) { return is_stop(left) && !is_digit(right); });
  apart = space_pairs(apart, {false, true, true},
                      [](char left, char right) { return is_digit(left) && right == '-'; });
  return split(apart);
}

}  // namespace kvs
