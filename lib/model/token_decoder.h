#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/json.h"
#include "model/regex.h"

namespace kvs {

/// What a decoder step remembers from one token to the next.
struct DecoderMemory {
  bool is_first = true;  ///< no token has passed
  size_t stripped = 0;   ///< at the beginning of the text
  bool begun = false;    ///< past the beginning of the text
  std::string held;      ///< may turn out to be the end of the text
};

/// One step from tokens to text. Steps behind a Fuse see a stream instead of tokens.
class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  virtual void push(std::string& text, DecoderMemory& memory, RegexScratch& scratch) const = 0;
};

/// The decoder of tokenizer.json, one token at a time: ByteLevel, ByteFallback, WordPiece,
/// Metaspace, Replace, Strip, Fuse and Sequence. Immutable.
/// A run of byte tokens that is not UTF-8 keeps its well-formed characters, where the reference
/// replaces the whole run: otherwise no character of a run could be shown before its end.
class TokenDecoder {
 public:
  /// Between the tokens of one text.
  struct State {
    std::vector<DecoderMemory> memories;
    RegexScratch scratch;
  };

  /// Tokens joined by spaces, which is what a tokenizer without decoder does.
  TokenDecoder();
  /// `json` may be null. Throws Error(format), opening with `source`, naming a type not known here.
  TokenDecoder(const Json& json, std::string_view source);

  State start() const;
  /// The bytes that the token `text` adds to the text.
  std::string push(std::string_view text, State& state) const;

 private:
  std::vector<std::unique_ptr<DecoderStep>> steps_;
};

}  // namespace kvs
