#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "kvs/json.h"
#include "kvs/text_range.h"
#include "model/regex.h"

namespace kvs {

/// Something that can be found in a text: a literal, a regular expression or a class of characters.
class TextPattern {
 public:
  virtual ~TextPattern() = default;

  /// All places in `text`, from left to right, not overlapping; replaces what `matches` holds.
  virtual void find_all(std::string_view text, RegexScratch& scratch,
                        std::vector<TextRange>& matches) const = 0;
};

std::unique_ptr<TextPattern> regex_pattern(std::string_view pattern, std::string_view subject);
std::unique_ptr<TextPattern> literal_pattern(std::string_view text);
/// Each character for which `is_member` holds is a match of its own.
std::unique_ptr<TextPattern> char_pattern(bool (*is_member)(char32_t));

/// {"String": "…"} or {"Regex": "…"}, as tokenizer.json writes patterns. Throws Error(format),
/// opening with `subject`, for anything else.
std::unique_ptr<TextPattern> pattern_from_json(const Json& json, std::string_view subject);

/// What becomes of the matches when a text is split.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// "Removed", "Isolated", … Throws Error(format), opening with `subject`, for anything else.
SplitBehavior split_behavior(std::string_view name, std::string_view subject);

/// The pieces of a text of `size` bytes that is split at `matches`, none of them empty. `invert`
/// exchanges the matches with what lies between them.
void split_at(const std::vector<TextRange>& matches, size_t size, SplitBehavior behavior,
              bool invert, std::vector<TextRange>& pieces);

}  // namespace kvs
