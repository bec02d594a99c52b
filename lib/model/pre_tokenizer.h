#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/json.h"
#include "kvs/text_range.h"
#include "model/regex.h"

namespace kvs {

/// A text and the pieces of it that are tokenised on their own, in order, none of them empty.
struct TextPieces {
  std::string text;
  std::vector<TextRange> pieces;
  bool is_start = true;  ///< whether `text` begins where the user's text begins
};

/// One way of splitting the pieces further; may also rewrite the text.
class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  virtual void apply(TextPieces& text, RegexScratch& scratch) const = 0;
};

/// The pre-tokenizer of tokenizer.json: Split, ByteLevel, Digits, Punctuation, Whitespace,
/// WhitespaceSplit, Metaspace, BertPreTokenizer, CharDelimiterSplit and Sequence. Immutable.
class KVS_API PreTokenizer {
 public:
  PreTokenizer() = default;
  /// `json` may be null. Throws Error(format), opening with `source`, naming a type not known here.
  PreTokenizer(const Json& json, std::string_view source);

  /// Splits `text.text` from scratch.
  void apply(TextPieces& text, RegexScratch& scratch) const;

 private:
  std::vector<std::unique_ptr<PreTokenizerStep>> steps_;
};

}  // namespace kvs
