#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kvs/export.h"
#include "kvs/text_range.h"

namespace kvs {

/// Working memory for matching; one per thread at a time, for any number of patterns.
class KVS_API RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(RegexScratch&&) noexcept;
  RegexScratch& operator=(RegexScratch&&) noexcept;

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

/// A compiled pattern in the syntax of tokenizer.json (see regex_dialect.h). Immutable: may be used
/// from many threads, each with its own scratch.
class KVS_API Regex {
 public:
  /// Throws Error(format), opening with `subject`, where the pattern is not valid.
  Regex(std::string_view ruby_pattern, std::string_view subject);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// Puts all matches in `text` (well-formed UTF-8) into `matches`, from left to right, not
  /// overlapping. An empty match is found at most once between characters and not right behind
  /// another match. Throws Error(argument) where the pattern gives up (runaway backtracking).
  void find_all(std::string_view text, RegexScratch& scratch,
                std::vector<TextRange>& matches) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace kvs
