#include "model/text_pattern.h"

#include <algorithm>
#include <string>

#include "base/printable.h"
#include "base/utf8.h"
#include "kvs/error.h"

namespace kvs {
namespace {

class RegexPattern : public TextPattern {
 public:
  RegexPattern(std::string_view pattern, std::string_view subject) : regex_(pattern, subject) {}

  void find_all(std::string_view text, RegexScratch& scratch,
                std::vector<TextRange>& matches) const override {
    regex_.find_all(text, scratch, matches);
  }

 private:
  Regex regex_;
};

class LiteralPattern : public TextPattern {
 public:
  explicit LiteralPattern(std::string_view literal) : literal_(literal) {}

  void find_all(std::string_view text, RegexScratch&,
                std::vector<TextRange>& matches) const override {
    matches.clear();
    if (literal_.empty()) return;
    for (size_t at = text.find(literal_); at != text.npos; at = text.find(literal_, at)) {
      matches.push_back({at, at + literal_.size()});
      at += literal_.size();
    }
  }

 private:
  std::string literal_;
};

class CharPattern : public TextPattern {
 public:
  explicit CharPattern(bool (*is_member)(char32_t)) : is_member_(is_member) {
    for (char32_t ascii = 0; ascii < 128; ++ascii) is_ascii_member_[ascii] = is_member(ascii);
  }

  void find_all(std::string_view text, RegexScratch&,
                std::vector<TextRange>& matches) const override {
    matches.clear();
    for (size_t at = 0; at < text.size();) {
      const auto lead = static_cast<unsigned char>(text[at]);
      const CodePoint next = lead < 128 ? CodePoint{lead, 1} : code_point_at(text, at);
      const bool found = lead < 128 ? is_ascii_member_[lead] : is_member_(next.value);
      if (found) matches.push_back({at, at + next.bytes});
      at += next.bytes;
    }
  }

 private:
  bool (*is_member_)(char32_t);
  bool is_ascii_member_[128];
};

struct Part {
  TextRange range;
  bool is_match;
};

// Matches and what lies between them, without a gap.
std::vector<Part> all_parts(const std::vector<TextRange>& matches, size_t size, bool invert) {
  std::vector<Part> parts;
  parts.reserve(2 * matches.size() + 1);
  size_t end = 0;
  for (const TextRange& match : matches) {
    if (match.begin > end) parts.push_back({{end, match.begin}, invert});
    parts.push_back({match, !invert});
    end = match.end;
  }
  if (end < size) parts.push_back({{end, size}, invert});
  return parts;
}

bool joins_previous(SplitBehavior behavior, bool is_match, bool previous_match) {
  if (behavior == SplitBehavior::contiguous) return is_match == previous_match;
  return behavior == SplitBehavior::merged_with_previous && is_match && !previous_match;
}

void merge_forward(const std::vector<Part>& parts, SplitBehavior behavior,
                   std::vector<TextRange>& pieces) {
  bool previous_match = false;
  const size_t first = pieces.size();
  for (const Part& part : parts) {
    if (joins_previous(behavior, part.is_match, previous_match) && pieces.size() > first)
      pieces.back().end = part.range.end;
    else
      pieces.push_back(part.range);
    previous_match = part.is_match;
  }
}

void merge_backward(const std::vector<Part>& parts, std::vector<TextRange>& pieces) {
  std::vector<TextRange> reversed;
  bool next_match = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->is_match && !next_match && !reversed.empty())
      reversed.back().begin = part->range.begin;
    else
      reversed.push_back(part->range);
    next_match = part->is_match;
  }
  pieces.insert(pieces.end(), reversed.rbegin(), reversed.rend());
}

void put_isolated(const std::vector<TextRange>& matches, size_t size,
                  std::vector<TextRange>& pieces) {
  size_t end = 0;
  for (const TextRange& match : matches) {
    if (match.begin > end) pieces.push_back({end, match.begin});
    if (match.size() > 0) pieces.push_back(match);
    end = match.end;
  }
  if (end < size) pieces.push_back({end, size});
}

}  // namespace

std::unique_ptr<TextPattern> regex_pattern(std::string_view pattern, std::string_view subject) {
  return std::make_unique<RegexPattern>(pattern, subject);
}

std::unique_ptr<TextPattern> literal_pattern(std::string_view text) {
  return std::make_unique<LiteralPattern>(text);
}

std::unique_ptr<TextPattern> char_pattern(bool (*is_member)(char32_t)) {
  return std::make_unique<CharPattern>(is_member);
}

std::unique_ptr<TextPattern> pattern_from_json(const Json& json, std::string_view subject) {
  if (const Json* text = json.find("String")) return literal_pattern(text->as_string());
  if (const Json* regex = json.find("Regex")) return regex_pattern(regex->as_string(), subject);
  fail(ErrorKind::format, "{}: pattern is neither a String nor a Regex", subject);
}

SplitBehavior split_behavior(std::string_view name, std::string_view subject) {
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  fail(ErrorKind::format, "{}: split behavior '{}' is not known", subject, printable(name));
}

void split_at(const std::vector<TextRange>& matches, size_t size, SplitBehavior behavior,
              bool invert, std::vector<TextRange>& pieces) {
  if (behavior == SplitBehavior::isolated) return put_isolated(matches, size, pieces);
  const std::vector<Part> parts = all_parts(matches, size, invert);
  const size_t first = pieces.size();
  if (behavior == SplitBehavior::merged_with_next) {
    merge_backward(parts, pieces);
  } else if (behavior == SplitBehavior::removed) {
    for (const Part& part : parts)
      if (!part.is_match) pieces.push_back(part.range);
  } else {
    merge_forward(parts, behavior, pieces);
  }
  const auto is_empty = [](const TextRange& piece) { return piece.size() == 0; };
  pieces.erase(
      std::remove_if(pieces.begin() + static_cast<ptrdiff_t>(first), pieces.end(), is_empty),
      pieces.end());
}

}  // namespace kvs
