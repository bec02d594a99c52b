#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/merge_table.h"

namespace kvs {

/// Working memory for encoding words; one per thread at a time.
struct WordScratch {
  std::vector<int32_t> tokens;
  std::string text;
  MergeScratch merges;
};

/// Turns one piece of text, as the pre-tokenizer leaves it, into tokens.
class WordModel {
 public:
  virtual ~WordModel() = default;

  /// Appends the tokens of `word` (not empty, well-formed UTF-8) to `out`. May be called from many
  /// threads, each with its own scratch.
  virtual void encode(std::string_view word, WordScratch& scratch,
                      std::vector<int32_t>& out) const = 0;
};

}  // namespace kvs
