#include <algorithm>
#include <map>

#include "kvs/text_scores.h"

namespace kvs {
namespace {

// Appends the character at `at` in lower case, or a space where it is no letter or digit of ASCII.
// Returns its bytes. Two letters outside ASCII have lower-case forms with ASCII in them.
size_t add_lower(std::string_view text, size_t at, std::string& out) {
  const char c = text[at];
  if (text.substr(at).starts_with("\u212a")) {  // Kelvin sign
    out += 'k';
    return 3;
  }
  if (text.substr(at).starts_with("\u0130")) {  // I with a dot: i and a combining dot
    out += "i ";
    return 2;
  }
  const bool upper = c >= 'A' && c <= 'Z';
  const bool word = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  out += upper ? static_cast<char>(c - 'A' + 'a') : word ? c : ' ';
  return 1;
}

using Numbers = std::map<std::string, int, std::less<>>;

std::vector<int> words_of(std::string_view text, Numbers& numbers) {
  std::string lower;
  lower.reserve(text.size() + 1);
  for (size_t at = 0; at < text.size();) at += add_lower(text, at, lower);
  std::vector<int> words;
  for (size_t begin = lower.find_first_not_of(' '); begin != std::string::npos;) {
    const size_t end = std::min(lower.find(' ', begin), lower.size());
    const auto number = static_cast<int>(numbers.size());
    words.push_back(numbers.emplace(lower.substr(begin, end - begin), number).first->second);
    begin = lower.find_first_not_of(' ', end);
  }
  return words;
}

size_t common_subsequence(const std::vector<int>& left, const std::vector<int>& right) {
  std::vector<size_t> row(right.size() + 1);
  for (const int word : left) {
    size_t diagonal = 0;
    for (size_t at = 0; at < right.size(); ++at) {
      const size_t above = row[at + 1];
      row[at + 1] = word == right[at] ? diagonal + 1 : std::max(above, row[at]);
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace

double rouge_l(std::string_view hypothesis, std::string_view reference) {
  Numbers numbers;
  const std::vector<int> left = words_of(hypothesis, numbers);
  const std::vector<int> right = words_of(reference, numbers);
  const auto common = static_cast<double>(common_subsequence(left, right));
  if (common == 0) return 0;
  return 2 * common / static_cast<double>(left.size() + right.size());
}

}  // namespace kvs
