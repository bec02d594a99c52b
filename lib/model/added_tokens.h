#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvs/export.h"
#include "kvs/text_range.h"

namespace kvs {

/// A token that is found in the text before anything else is done with it.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  std::string decoded;  ///< what the decoder gets: `content`, normalised where `normalized` is set
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the whitespace before it along
  bool rstrip = false;       ///< takes the whitespace behind it along
  bool normalized = false;   ///< is looked for in the normalised text
  bool special = false;      ///< steers the model; left out by decode(…, skip_special)
};

/// Finds added tokens: at each place the longest, from left to right.
class KVS_API AddedTokenMatcher {
 public:
  /// A part of the text: a token, or text where `id` is -1.
  struct Part {
    TextRange range;
    int32_t id = -1;
  };
  /// Whether a special token may be recognised at this place.
  using Allowed = std::function<bool(const TextRange&)>;

  /// `content` is what is looked for (the token's own, or its normalised form).
  void add(const AddedToken& token, std::string_view content);

  bool is_empty() const { return tokens_.empty(); }

  /// Covers `text` with parts. Special tokens for which `allow_special` is false do not exist.
  std::vector<Part> split(std::string_view text, const Allowed& allow_special) const;

 private:
  struct Node {
    int32_t token = -1;  // index into tokens_
    std::vector<std::pair<unsigned char, int32_t>> children;
  };

  int32_t child(int32_t node, unsigned char byte) const;
  int32_t longest_at(std::string_view text, size_t at, const Allowed& allow_special) const;

  std::vector<AddedToken> tokens_;
  std::vector<size_t> lengths_;  // of what is looked for
  std::vector<Node> nodes_{1};
  std::array<bool, 256> is_first_{};
};

}  // namespace kvs
