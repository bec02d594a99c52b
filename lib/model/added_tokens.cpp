#include "model/added_tokens.h"

#include <algorithm>

#include "base/utf8.h"
#include "model/unicode.h"

namespace kvs {
namespace {

bool stands_alone(std::string_view text, const TextRange& match) {
  if (match.begin > 0 && is_word(code_point_before(text, match.begin).value)) return false;
  return match.end == text.size() || !is_word(code_point_at(text, match.end).value);
}

size_t skip_space_back(std::string_view text, size_t end, size_t limit) {
  while (end > limit) {
    const CodePoint previous = code_point_before(text, end);
    if (!is_whitespace(previous.value)) break;
    end -= previous.bytes;
  }
  return end;
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size()) {
    const CodePoint next = code_point_at(text, at);
    if (!is_whitespace(next.value)) break;
    at += next.bytes;
  }
  return at;
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken& token, std::string_view content) {
  if (content.empty()) return;
  int32_t node = 0;
  for (const char letter : content) {
    const auto byte = static_cast<unsigned char>(letter);
    int32_t next = child(node, byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_[node].children.emplace_back(byte, next);
      nodes_.emplace_back();
    }
    node = next;
  }
  is_first_[static_cast<unsigned char>(content[0])] = true;
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
  lengths_.push_back(content.size());
}

int32_t AddedTokenMatcher::child(int32_t node, unsigned char byte) const {
  for (const auto& [letter, next] : nodes_[node].children)
    if (letter == byte) return next;
  return -1;
}

int32_t AddedTokenMatcher::longest_at(std::string_view text, size_t at,
                                      const Allowed& allow_special) const {
  int32_t best = -1;
  int32_t node = 0;
  for (size_t end = at; end < text.size();) {
    node = child(node, static_cast<unsigned char>(text[end++]));
    if (node < 0) break;
    const int32_t token = nodes_[node].token;
    if (token >= 0 && (!tokens_[token].special || allow_special({at, end}))) best = token;
  }
  return best;
}

std::vector<AddedTokenMatcher::Part> AddedTokenMatcher::split(std::string_view text,
                                                              const Allowed& allow_special) const {
  std::vector<Part> parts;
  size_t done = 0;
  for (size_t at = 0; at < text.size() && !tokens_.empty();) {
    if (!is_first_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const int32_t found = longest_at(text, at, allow_special);
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[found];
    TextRange range{at, at + lengths_[found]};
    at = range.end;
    if (token.single_word && !stands_alone(text, range)) continue;
    if (token.lstrip) range.begin = skip_space_back(text, range.begin, std::min(done, range.begin));
    if (token.rstrip) range.end = skip_space(text, range.end);
    if (done < range.begin) parts.push_back({{done, range.begin}, -1});
    parts.push_back({range, token.id});
    done = range.end;
  }
  if (done < text.size()) parts.push_back({{done, text.size()}, -1});
  return parts;
}

}  // namespace kvs
